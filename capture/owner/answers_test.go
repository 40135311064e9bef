package owner

import (
	"net/netip"
	"testing"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// A child that hangs is waited for once, and again when it has answered.
func TestHangingChildIsWaitedForOnce(t *testing.T) {
	a := &answers{byKey: make(map[key]*answer)}
	at := time.Now()
	ask := func(port uint16) (key, uint64) {
		k := keyOf(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port), netip.MustParseAddrPort("127.0.0.1:2379"))
		id, _ := a.begin(k, at)
		return k, id
	}
	first, id := ask(1)
	if p, ok := a.find(first, at, time.Millisecond); !ok || p.Why != whyNotYet {
		t.Errorf("got %v, %+v", ok, p)
	}
	for port := range uint16(100) {
		k, _ := ask(2 + port)
		if p, ok := a.find(k, at, 10*time.Minute); !ok || p.Why != whyNotYet { // go test gives up before
			t.Errorf("got %v, %+v", ok, p)
		}
	}
	a.give(id, analysis.Process{Known: true, PID: 7})
	if p, ok := a.find(first, at, 0); !ok || p.PID != 7 {
		t.Errorf("got %v, %+v", ok, p)
	}
	k, id := ask(1000)
	time.AfterFunc(time.Millisecond, func() { a.give(id, analysis.Process{Known: true, PID: 8}) })
	if p, ok := a.find(k, at, time.Minute); !ok || p.PID != 8 {
		t.Errorf("after an answer: got %v, %+v", ok, p)
	}
}
