package owner

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis"
)

func TestQuestion(t *testing.T) {
	for _, q := range []question{
		{id: 1, client: netip.MustParseAddrPort("10.0.0.7:41234"), server: netip.MustParseAddrPort("10.0.0.1:2379")},
		{id: 1<<64 - 1, client: netip.MustParseAddrPort("[fe80::1]:65535"), server: netip.MustParseAddrPort("[fe80::2]:2379"), link: 7},
	} {
		b := q.append(nil)
		if len(b) != questionLen {
			t.Errorf("%d bytes, want %d", len(b), questionLen)
		}
		got, err := parseQuestion(b)
		if err != nil || got != q {
			t.Errorf("got %+v, %v, want %+v", got, err, q)
		}
		for n := range b {
			if _, err := parseQuestion(b[:n]); err == nil {
				t.Errorf("%d bytes were accepted", n)
			}
		}
	}
	mixed := question{client: netip.MustParseAddrPort("10.0.0.7:1"), server: netip.MustParseAddrPort("[::1]:2")}
	if _, err := parseQuestion(mixed.append(nil)); err == nil {
		t.Error("addresses of two families were accepted")
	}
}

// Whatever a reply claims, what comes out is within the bounds and does not contradict itself.
func TestReplyIsHeldToItsBounds(t *testing.T) {
	long := strings.Repeat("x", 1<<10)
	many := make([]string, 200)
	for name, c := range map[string]struct {
		in   reply
		want analysis.Process
	}{
		"good":           {reply{Known: true, PID: 7, Command: "a", Args: []string{"a", "b"}, UIDKnown: true, UID: 3, Unit: "u", Pod: "p", Container: "c", Executable: "/a"}, analysis.Process{Known: true, PID: 7, Command: "a", Args: []string{"a", "b"}, UIDKnown: true, UID: 3, Unit: "u", Pod: "p", Container: "c", Executable: "/a"}},
		"unknown":        {reply{Why: "w", PID: 7, Command: "a"}, analysis.Process{Why: "w"}},
		"no reason":      {reply{}, analysis.Process{Why: "no reason was given"}},
		"no process":     {reply{Known: true, PID: -1, Command: "a"}, analysis.Process{Why: "no reason was given"}},
		"long":           {reply{Known: true, PID: 1, Command: long, Executable: long, Args: []string{long}, Container: long, Pod: long, Unit: long}, analysis.Process{Known: true, PID: 1, Command: long[:maxCommand], Executable: long[:maxExecutable], Args: []string{long[:maxArgs-len(more)-1] + more}, Container: long[:maxID], Pod: long[:maxID], Unit: long[:maxUnit]}},
		"long reason":    {reply{Why: long}, analysis.Process{Why: long[:maxWhy]}},
		"many arguments": {reply{Known: true, PID: 1, Args: many}, analysis.Process{Known: true, PID: 1, Args: append(make([]string, maxArgCount-1), more)}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(&c.in)
			if err != nil {
				t.Fatal(err)
			}
			r, err := parseReply(b)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, r.process()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// All bounds used up, with bytes that JSON escapes: it fits.
func TestLongestReplyFits(t *testing.T) {
	bad := strings.Repeat("\x01", 1<<10)
	p := analysis.Process{Known: true, PID: 1 << 30, UID: 1<<32 - 1, UIDKnown: true, Command: bad[:maxCommand], Executable: bad[:maxExecutable], Args: boundArgs([]string{bad}),
		Container: bad[:maxID], Pod: bad[:maxID], Unit: bad[:maxUnit]}
	b := replyOf(1<<64-1, &p).marshal()
	if r, err := parseReply(b); err != nil || !cmp.Equal(r.process(), p) {
		t.Errorf("%d bytes: got %+v, %v", len(b), r, err)
	}
	r := reply{ID: 3, Known: true, PID: 1, Command: strings.Repeat("x", maxReply)}
	if short, err := parseReply(r.marshal()); err != nil || short.ID != 3 || short.Known || short.Why == "" {
		t.Errorf("one that is too long: got %+v, %v", short, err)
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add([]byte(`{"id":1,"known":true,"pid":3,"args":["a"]}`))
	f.Add([]byte(`{"ready":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReply(b)
		if err != nil {
			return
		}
		p := r.process()
		n := len(p.Command) + len(p.Executable) + len(p.Container) + len(p.Pod) + len(p.Unit) + len(p.Why)
		for _, a := range p.Args {
			n += len(a) + 1
		}
		if n > maxCommand+maxExecutable+2*maxID+maxUnit+maxWhy+maxArgs || p.Known == (p.Why != "") {
			t.Errorf("%d bytes: %+v", n, p)
		}
	})
}
