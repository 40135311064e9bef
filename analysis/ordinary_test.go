package analysis

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// TestOrdinaryRules: the rules for ordinary connections find what all rules find, in connections as they are and with their facts
// changed at random.
func TestOrdinaryRules(t *testing.T) {
	t.Parallel()
	scripts := allTranscripts()
	r := rand.New(rand.NewPCG(3, 4))
	found, ordinary := map[Code]int{}, 0
	for name, script := range scripts {
		for _, to := range []netip.AddrPort{testServer, testPeer, testOther} {
			for n := range 60 {
				f := feeding{server: to}.facts(script)
				if f.TLS == nil {
					break
				}
				for range min(n, 1+n%4) {
					changeFacts(r, f)
				}
				var all, some Diagnoser
				if all.begin(); !all.look(f).ordinary() {
					continue
				}
				ordinary++
				want, got := all.byAllRules(f, all.view.known), some.Diagnose(f)
				if !sameJudgement(&want, &got) {
					t.Fatalf("%s to %v: (-all rules +those for ordinary ones)\n%s", name, to, cmp.Diff(want.Findings, got.Findings))
				}
				for _, x := range got.Findings {
					found[x.Code]++
				}
			}
		}
	}
	for _, code := range []Code{CodeServerCertExpired, CodeServerNameMismatch, CodeWeakCertificate, CodeCertExpiresSoon,
		CodeGRPCToPeerPort, CodePeerSANMismatch, CodeClientCertRevoked} {
		if found[code] == 0 {
			t.Errorf("no ordinary connection led to %s", code)
		}
	}
	if ordinary < 1000 {
		t.Errorf("only %d connections were ordinary", ordinary)
	}
}

// changeFacts changes one of the facts that rules look at.
func changeFacts(r *rand.Rand, f *Facts) {
	t, d := f.TLS, Direction(r.IntN(2))
	s, e := &f.Stream[d], &t.Encrypted[d]
	times := [...]time.Duration{0, 5 * time.Millisecond, 2 * time.Second, 6 * time.Second}
	switch r.IntN(15) {
	case 0:
		s.Close = CloseKind(r.IntN(3))
	case 1:
		s.ClosePacket, s.ClosedAt = int64(1+r.IntN(60)), s.LastAt.Add(times[r.IntN(4)])
	case 2:
		s.Bytes = int64(r.IntN(3) * 700)
	case 3:
		s.Missed, s.StartMissed = int64(r.IntN(2)*100), r.IntN(2) == 0
	case 4:
		s.Incomplete = !s.Incomplete
	case 5:
		e.Data, e.Records = int64(r.IntN(4)), int64(r.IntN(8))
	case 6:
		t.Certificates[d].Visibility = Visibility(r.IntN(5))
	case 7:
		t.CertificateRequest.Visibility = Visibility(r.IntN(5))
	case 8:
		t.Alerts = append(t.Alerts, Alert{From: d, Level: tlswire.AlertLevelFatal, Code: tlswire.AlertCode(r.IntN(122)), Encrypted: r.IntN(2) == 0, BeforeData: r.IntN(2) == 0, Packet: 9})
	case 9:
		t.Resumed, t.HelloDone = r.IntN(2) == 0, r.IntN(2) == 0
	case 10:
		f.Ended, f.Until = CloseKind(3*r.IntN(2)+r.IntN(3)), f.End.Add(times[r.IntN(4)])
	case 11:
		f.TCP.Packets[d], f.TCP.SYN = int64(r.IntN(3)), r.IntN(2) == 0
	case 12:
		p := testPKI()
		der := [...][]byte{p.client.Certificate[0], p.server.Certificate[0], p.serverWeak.Certificate[0]}[r.IntN(3)]
		t.Certificates[d].Chain, t.Certificates[d].At = []*Certificate{ParseCertificate(der)}, testTime.Add(time.Duration(r.IntN(3)-1)*100_000*time.Hour)
	case 13:
		s.FirstAt = s.FirstAt.Add(times[r.IntN(4)])
	case 14:
		f.TCP.Established, f.TCP.ClosesSwapped = r.IntN(2) == 0, r.IntN(2) == 0
	}
}
