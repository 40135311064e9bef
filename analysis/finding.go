package analysis

import "time"

// Code is the permanent kebab-case name of a finding. Rules on packets and rules on log text share the codes;
// catalogue.go says what each means.
type Code string

// Severity ranks findings for a reader who can look at only one.
type Severity uint8

const (
	Info    Severity = iota // explains something; nothing is broken
	Warning                 // works now, or costs something, but wants attention
	Error                   // a connection failed, or will
)

func (s Severity) String() string { return [...]string{"info", "warning", "error"}[s] }

// Confidence says how sure a finding is.
type Confidence uint8

const (
	Possible Confidence = iota // one of several explanations that fit
	Likely                     // the usual explanation of what was seen
	Certain                    // what was seen has no other explanation
)

func (c Confidence) String() string { return [...]string{"possible", "likely", "certain"}[c] }

// Fault names the party whose change makes the failure go away.
type Fault uint8

const (
	FaultUnknown Fault = iota
	FaultNone
	FaultClient
	FaultServer
	FaultNetwork
)

func (f Fault) String() string {
	return [...]string{"unknown", "none", "client", "server", "network"}[f]
}

// Finding is what a rule concludes about one connection: what was seen, what it means, who can mend it, how sure
// that is, and what to do.
type Finding struct {
	Code       Code
	Severity   Severity
	Confidence Confidence
	AtFault    Fault
	Title      string     // a short phrase, no full stop: "gRPC without TLS to a TLS port"
	Meaning    string     // one or two sentences about this very connection
	Evidence   []Evidence // at most maxEvidence, in the order in which it was seen
	Fix        []string   // what to do, best first; commands where there are any
}

// Evidence is one thing that was seen and that a finding rests on.
type Evidence struct {
	Text   string    // what was seen; text from the wire is already escaped
	Packet int64     // 1-based number of the packet that showed it; 0 when there are no packets (proxy, log)
	At     time.Time // when; zero when it has no one moment
	From   string    // "client", "server", or "" when it is neither's
	Bytes  []byte    // the bytes that prove it, at most maxEvidenceBytes; nil where quoting them would show payload
}

// Bounds on what one finding holds, so that a hostile connection cannot inflate the output.
const (
	maxFindings      = 32 // findings of a connection, the worst of them: no real one has more than five
	maxEvidence      = 8  // pieces of evidence in a finding
	maxEvidenceBytes = 32 // quoted bytes in one piece: enough for a protocol's first line
)

// Cause is a finding's page in the catalogue: all that is true of every occurrence.
type Cause struct {
	Code     Code
	Severity Severity
	AtFault  Fault    // who usually has to act; a rule may know better
	Title    string   // the default title, a short phrase without a full stop
	Meaning  string   // what it means, in one or two sentences
	Wire     string   // what it looks like in packets; "" when packets never show it
	Log      string   // what etcd (by version) writes; "" when it writes nothing
	Causes   []string // the usual causes, most frequent first
	Fixes    []string // what to do, best first; commands in backquotes
	See      []Code   // neighbours that are easily mistaken for it
}
