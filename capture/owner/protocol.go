package owner

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/etcdtap/etcdtap/analysis"
)

// Parent and child talk over a socket pair that keeps message boundaries: a question is one message of questionLen bytes, an answer one of
// JSON. Neither believes the other: the parent reads packets from strangers, the child reads what other processes call themselves.

// question asks who has the socket of a connection. The addresses are plain.
type question struct {
	id             uint64
	client, server netip.AddrPort
	link           uint32 // the interface of a link-local client, by index; 0 for others
}

const questionLen = 8 + 4 + 2*(16+2)

func (q *question) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, q.id)
	b = binary.BigEndian.AppendUint32(b, q.link)
	for _, a := range [...]netip.AddrPort{q.client, q.server} {
		ip := a.Addr().As16()
		b = binary.BigEndian.AppendUint16(append(b, ip[:]...), a.Port())
	}
	return b
}

// parseQuestion reads a question; b is not retained.
func parseQuestion(b []byte) (q question, err error) {
	if len(b) != questionLen {
		return q, fmt.Errorf("a question has %d bytes, expected %d", len(b), questionLen)
	}
	q.id, q.link = binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])
	for i, a := range [...]*netip.AddrPort{&q.client, &q.server} {
		part := b[12+18*i:][:18]
		*a = netip.AddrPortFrom(netip.AddrFrom16([16]byte(part[:16])).Unmap(), binary.BigEndian.Uint16(part[16:]))
	}
	if q.client.Addr().Is4() != q.server.Addr().Is4() {
		return q, errors.New("a question with one address of IPv4 and one of IPv6")
	}
	return q, nil
}

// maxReply is the longest answer in bytes: all bounds below, each byte escaped as six.
const maxReply = 16 << 10

// Bounds, in bytes, of what is passed on of a process.
const (
	maxCommand    = 64  // the kernel keeps 15, of threads of its own up to 63
	maxExecutable = 256 // longer paths than that do not help anybody
	maxArgs       = 256 // of all arguments together: enough for the subcommand and the endpoints, which come first
	maxArgCount   = 32
	maxID         = 128 // container ids have 64 digits, uids of pods 36
	maxUnit       = 256 // systemd's UNIT_NAME_MAX
	maxWhy        = 256
)

// reply is a message of the child: the first says that it is ready, or why not; each later one is an answer.
type reply struct {
	ID         uint64   `json:"id"`
	Ready      bool     `json:"ready,omitempty"`
	Known      bool     `json:"known,omitempty"`
	Why        string   `json:"why,omitempty"`
	UID        uint32   `json:"uid,omitempty"`
	UIDKnown   bool     `json:"uid_known,omitempty"`
	PID        int      `json:"pid,omitempty"`
	Command    string   `json:"command,omitempty"`
	Executable string   `json:"executable,omitempty"`
	Args       []string `json:"args,omitempty"`
	Container  string   `json:"container,omitempty"`
	Pod        string   `json:"pod,omitempty"`
	Unit       string   `json:"unit,omitempty"`
}

func replyOf(id uint64, p *analysis.Process) *reply {
	return &reply{ID: id, Known: p.Known, Why: p.Why, UID: p.UID, UIDKnown: p.UIDKnown, PID: p.PID, Command: p.Command,
		Executable: p.Executable, Args: p.Args, Container: p.Container, Pod: p.Pod, Unit: p.Unit}
}

// marshal gives a message of at most maxReply bytes.
func (r *reply) marshal() []byte {
	b, err := json.Marshal(r)
	if err != nil || len(b) > maxReply {
		b, _ = json.Marshal(&reply{ID: r.ID, Why: "what it calls itself is too long"}) // cannot fail
	}
	return b
}

var errReply = errors.New("a reply that is not understood")

// parseReply reads an answer and holds it to the bounds.
func parseReply(b []byte) (r reply, err error) {
	if len(b) > maxReply {
		return r, fmt.Errorf("%w: %d bytes, expected %d at the most", errReply, len(b), maxReply)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%w: %w", errReply, err)
	}
	return r, nil
}

// process is what a reply says, within the bounds and without contradictions, whatever it was.
func (r *reply) process() analysis.Process {
	p := analysis.Process{UID: r.UID, UIDKnown: r.UIDKnown}
	if !r.Known || r.PID <= 0 {
		if p.Why = cut(r.Why, maxWhy); p.Why == "" {
			p.Why = "no reason was given"
		}
		return p
	}
	p.Known, p.PID = true, r.PID
	p.Command, p.Executable = cut(r.Command, maxCommand), cut(r.Executable, maxExecutable)
	p.Args = boundArgs(r.Args)
	p.Container, p.Pod, p.Unit = cut(r.Container, maxID), cut(r.Pod, maxID), cut(r.Unit, maxUnit)
	return p
}

// cut shortens s to n bytes. The copy lets go of the message that s is part of.
func cut(s string, n int) string { return strings.Clone(s[:min(len(s), n)]) }
