package analysis

import (
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Probe is what a server showed to etcdtap itself, in handshakes that package probe made. Nothing in it was hidden from us: its
// visibility is "probed". Like Facts it holds no judgement, but for Findings, which Judge fills in.
type Probe struct {
	Target     string         // HOST:PORT as it was asked for; raw
	Server     netip.AddrPort // the address that was connected to; invalid when the name leads to none
	Name       string         // the name or address that the server's certificate was compared with; raw
	Start, End time.Time
	Timeout    time.Duration // of each step

	Main     Attempt   // the handshake with all that was given: certificate, versions, ALPN
	Bare     *Attempt  // the same without a client certificate; nil when Main had none, or nothing was to be learned
	Listen   *Attempt  // a connection on which nothing was sent; nil unless the server does not speak TLS
	Versions []Attempt // one for each of TLS 1.0 to 1.3; empty when the server does not get as far
	ALPN     []Attempt // one for each protocol
	Suites   []Attempt // one for each cipher suite of TLS 1.2 that is accepted, in the server's order; only where it was asked for

	Facts    *Facts              // what passed on the wire in Main; nil when no connection came about
	Chain    []*Certificate      // presented by the server, leaf first, at most maxChain
	More     int                 // certificates beyond maxChain
	Request  *CertificateRequest // nil iff the server sent none that was seen
	Own      *Certificate        // the client's certificate that was presented; nil when none was given
	Verified Verification
	Requests []ProbeRequest   // GETs, where they were asked for
	Expected *ExpectedCompare // nil when no file was given
	Findings []Finding        // most severe first
}

// CertificateRequest is a server's wish for a client certificate, read by the client that got it.
type CertificateRequest struct {
	Authorities []string // acceptable CA names in RFC 4514's form, at most maxAuthorities; none means any CA
	More        int      // names beyond maxAuthorities
	Unsuitable  string   // why a Go client would hold Own back, such as an issuer that is not among the names; "" when it would not
}

// AttemptResult is how one connection of a probe ended.
type AttemptResult uint8

const (
	AttemptAccepted          AttemptResult = iota // the handshake is complete and was not taken back
	AttemptRefused                                // the server sent a fatal alert
	AttemptClosed                                 // the server closed without a word
	AttemptReset                                  // the connection was reset
	AttemptNoAnswer                               // the time was up
	AttemptNotTLS                                 // the server's first bytes are no TLS
	AttemptFailed                                 // what the server sent cannot be used; Error says why
	AttemptConnectionRefused                      // no TCP connection: answered with RST
	AttemptUnanswered                             // no TCP connection: not answered, or unreachable
)

func (r AttemptResult) String() string {
	return [...]string{"accepted", "refused", "closed", "reset", "no_answer", "not_tls", "failed", "connection_refused", "unanswered"}[r]
}

// Attempt is one connection of a probe.
type Attempt struct {
	Purpose   string // "handshake", "without_certificate", "listen", "version", "alpn", "cipher_suite", "request"
	Offered   string // what was special about it: "TLSv1.2", "h2"; "" when nothing was
	At        time.Time
	Took      time.Duration
	Result    AttemptResult
	Connected bool                // TCP
	Hello     bool                // the server answered with a ServerHello: Version, CipherSuite and ALPN are valid
	Completed bool                // the handshake was complete on our side
	Requested bool                // the server asked for a client certificate
	Presented bool                // one was sent
	Version   tlswire.Version     // agreed
	Suite     tlswire.CipherSuite // agreed
	ALPN      string              // agreed; "" when none was
	Alert     tlswire.AlertCode   // valid iff Result is AttemptRefused
	Proof     string              // how an acceptance showed: "finished" (TLS 1.2), "session_ticket", "application_data", "silence"; "" when there is none
	Bytes     int64               // received
	Error     string              // what came instead; raw; "" when accepted
}

// Verification is what checking the server's certificate gave.
type Verification struct {
	Authority string          // the file of the CA certificates it was checked against; "" when none was given, and the issuer was not checked
	Problems  []VerifyProblem // none means that all that was checked is in order
}

// VerifyProblem is one reason not to trust a certificate.
type VerifyProblem struct {
	Kind string // "unknown_authority", "chain", "name", "expired", "not_yet_valid", "key_usage", "unreadable"
	Text string // escaped
}

// ProbeRequest is one GET inside TLS and its answer.
type ProbeRequest struct {
	Attempt
	Path       string // "/version", "/health"
	Status     int    // HTTP status; 0 when there was no answer
	Server     string // of /version: etcdserver; raw
	Cluster    string // of /version: etcdcluster; raw
	Health     string // of /health: health; raw
	BodyPrefix string // the beginning of a body that is not what was expected; raw
}

// ExpectedCompare is the certificate that should be presented beside the one that is.
type ExpectedCompare struct {
	File        string
	Certificate *Certificate
	Same        bool
	Differs     []string // "subject", "issuer", "serial", "not_before", "not_after", "dns_names", "ip_addresses", "key", "other"
}

// Demands reports whether the server insists on a client certificate; known is false when the probe could not tell.
func (p *Probe) Demands() (demanded, known bool) {
	a := &p.Main
	if p.Bare != nil {
		a = p.Bare
	}
	switch {
	case a.Completed && !a.Requested:
		return false, true
	case a.Presented || !a.Requested:
		return false, false
	case a.Result == AttemptAccepted:
		return false, a.Proof != proofSilence
	case a.Result == AttemptRefused:
		return true, true
	case a.Result == AttemptClosed || a.Result == AttemptReset:
		return true, p.Main.Presented && p.Main.Result == AttemptAccepted // with ours it went well
	}
	return false, false
}

// Accepts reports whether the server took our certificate; known is false when none was presented, or it cannot be told.
func (p *Probe) Accepts() (accepted, known bool) {
	switch a := &p.Main; {
	case !a.Presented:
		return false, false
	case a.Result == AttemptAccepted:
		return true, true
	case a.Completed && a.Proof != "":
		return true, true // and then closed
	case a.Result == AttemptRefused && a.Hello:
		return false, true
	}
	return false, false
}

// proofSilence is the weakest sign of acceptance: no refusal came in time.
const proofSilence = "silence"
