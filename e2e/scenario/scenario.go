// Package scenario is the list of things that are done to a real etcd while tcpdump watches: what testdata/pcaps is
// made of, and what the live end-to-end test does again. Each scenario says what etcdtap has to conclude.
package scenario

import (
	"context"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// Setup is how the etcd of a scenario is set up. Scenarios of one setup share one etcd.
type Setup string

// The setups. All but Nothing and Plain ask for client certificates on both ports, as kubeadm does.
const (
	Secure        Setup = "secure"         // kubeadm's
	Plain         Setup = "plain"          // no TLS at all
	ExpiredServer Setup = "expired-server" // the client port's certificate expired yesterday
	WrongName     Setup = "wrong-name"     // the client port's certificate is another host's
	Curves        Setup = "ecdsa"          // P-256 keys
	IPv6          Setup = "ipv6"           // on ::1
	Nothing       Setup = "nothing"        // no etcd, or the steps start their own
)

// Wire is what the packets of a scenario show.
type Wire struct {
	Outcomes []string // one of them has to come out
	Codes    []string // with one of these findings; nil: with no finding of severity error
	Also     []string // further findings of severity error that are right
	Hidden   bool     // TLS 1.3 hides what decides it: the outcome is an inference, and silence is not wrong
}

// Step is one thing that is done: a shell command line or a function.
type Step struct {
	Command string // run by sh; knows $PKI, $CLIENT and $PEER (ports) and the lab's programs
	Do      func(context.Context, *Stage) error
	How     string // what Do does, for people
}

// Scenario is one capture.
type Scenario struct {
	Name    string
	Summary string
	Setup   Setup
	On      []lab.Program // the etcds to do it to
	Steps   []Step
	Wire    Wire
	Wire37  *Wire // on etcd 3.7, which speaks TLS 1.3, where that shows something else
	Must    []Connection
	Keys    bool // the steps write their secrets to $KEYS, which is kept beside the capture
	Embed   bool // and inside a copy of it, NAME.pcapng
}

// Connection is something that a capture of several connections has to contain.
type Connection struct {
	Port    uint16 `json:"server_port"`
	Outcome string `json:"outcome"`
	Code    string `json:"code,omitempty"` // "" when it has to be without findings of severity error
	AtLeast int    `json:"at_least"`
}

// Truth is what is known of a capture: the JSON file beside it.
type Truth struct {
	Name        string       `json:"name"`
	Summary     string       `json:"summary"`
	Etcd        string       `json:"etcd"` // version, "" when there was none
	How         []string     `json:"how"`  // $PKI is the certificate directory
	Says        []string     `json:"says"` // what the clients printed, "" for those that are no programs
	ClientPort  uint16       `json:"client_port"`
	PeerPort    uint16       `json:"peer_port"`
	Outcomes    []string     `json:"outcomes"`
	Codes       []string     `json:"codes"`
	Also        []string     `json:"also,omitempty"`
	Hidden      bool         `json:"hidden,omitempty"`
	Connections []Connection `json:"connections,omitempty"`
	Keys        string       `json:"keys,omitempty"` // the key log beside the capture
}

// WireOn is what the packets show on the given etcd.
func (s *Scenario) WireOn(p lab.Program) Wire {
	if p == lab.Etcd37 && s.Wire37 != nil {
		return *s.Wire37
	}
	return s.Wire
}

// File is the capture's name without suffix.
func (s *Scenario) File(p lab.Program) string {
	switch {
	case s.Setup == Nothing && len(s.On) == 1, s.Name == "demo":
		return s.Name
	case p == lab.Etcd37:
		return "v37-" + s.Name
	}
	return "v35-" + s.Name
}
