package analysis

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func counted(client string, at time.Duration, outcome Outcome, findings ...Finding) *Connection {
	start := time.Date(2026, 11, 23, 2, 56, 29, 0, time.UTC).Add(at)
	return &Connection{
		Facts:    &Facts{Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort("10.0.0.1:2379"), Start: start, End: start.Add(time.Second)},
		Endpoint: EndpointClient, Outcome: outcome, Findings: findings,
	}
}

func TestSummary(t *testing.T) {
	plaintext := Finding{Code: CodePlaintextToTLS, Severity: Error, Title: "a"}
	backoff := Finding{Code: CodeGRPCBackoff, Severity: Info, Confidence: Likely, Title: "b"}
	soon := Finding{Code: CodeCertExpiresSoon, Severity: Warning, Title: "c"}
	reconnect := Finding{Code: CodeRaftReconnect, Severity: Warning, Title: "d"}
	probe := Finding{Code: CodeConnectionWithoutData, Severity: Info, Title: "e"}

	var s Summary
	s.Add(counted("10.0.0.7:1001", 0, OutcomePlaintextToTLS, plaintext))
	s.Add(counted("10.0.0.7:1003", 2600*time.Millisecond, OutcomePlaintextToTLS, plaintext, plaintext, backoff))
	s.Add(counted("10.0.0.7:1002", time.Second, OutcomePlaintextToTLS, plaintext))
	s.Add(counted("10.0.0.8:1001", time.Minute, OutcomeEstablished, soon))
	s.Add(counted("10.0.0.8:1002", time.Minute, OutcomeNoData, reconnect, probe))
	gap := counted("10.0.0.9:1001", time.Hour, OutcomeEstablished)
	gap.Stream[FromServer].Missed = 5
	s.Add(gap)

	if got, want := [...]int64{s.Connections, s.Failed, s.Warned, s.WithGaps}, [...]int64{6, 3, 2, 1}; got != want {
		t.Errorf("connections, failed, warned, with gaps: got %v, want %v", got, want)
	}
	if n := s.Outcomes[EndpointClient][OutcomePlaintextToTLS]; n != 3 {
		t.Errorf("plaintext to TLS: got %d, want 3", n)
	}
	var codes []string
	for _, c := range s.Codes() {
		codes = append(codes, string(c.Code)+" "+itoa(c.Connections))
	}
	want := []string{"plaintext-to-tls 3", "cert-expires-soon 1", "raft-reconnect 1", "connection-without-data 1", "grpc-backoff 1"}
	if d := cmp.Diff(want, codes); d != "" {
		t.Errorf("codes (-want +got):\n%s", d)
	}
	g := s.Groups()
	if d := cmp.Diff([]time.Duration{time.Second, 1600 * time.Millisecond}, g[0].Gaps(nil)); d != "" {
		t.Errorf("gaps are between starts, in their order (-want +got):\n%s", d)
	}
	if d := cmp.Diff(&SeriesNote{CodeGRPCBackoff, Likely, "b"}, g[0].Series); d != "" {
		t.Errorf("series (-want +got):\n%s", d)
	}
	if len(g) != 3 || g[2].Code != CodeConnectionWithoutData || g[2].Series == nil {
		t.Errorf("a series must not hide what the connection itself showed: %+v", g[len(g)-1])
	}
	clients := []ClientCount{{netip.MustParseAddr("10.0.0.7"), 3, 0, 0}, {netip.MustParseAddr("10.0.0.8"), 0, 2, 0}}
	if d := cmp.Diff(clients, s.Clients(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("clients (-want +got):\n%s", d)
	}
}

func TestSummaryIsBounded(t *testing.T) {
	var s Summary
	const beyond = 10
	for i := range maxGroups + beyond {
		c := counted("10.0.0.7:1001", 0, OutcomeRefused, Finding{Code: CodeRefused, Severity: Error})
		c.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		s.Add(c)
	}
	if len(s.Groups()) != maxGroups || s.OtherGroups != beyond || len(s.Clients()) != maxClients || s.OtherClients != beyond {
		t.Errorf("groups %d and %d others, clients %d and %d others", len(s.Groups()), s.OtherGroups, len(s.Clients()), s.OtherClients)
	}
	if s.Failed != maxGroups+beyond {
		t.Errorf("failed: got %d", s.Failed)
	}
}
