// Package owner finds out which process of this host opened a TCP connection. It asks the kernel for the connection's socket (netlink,
// sock_diag) and looks for the process that holds it (/proc/PID/fd), as ss -p does, but at once, at the connection's SYN: a curl or an
// etcdctl that is refused lives for a few milliseconds.
//
//	finder, err := owner.Start(owner.Options{})   // before privileges are dropped
//	finder.Ask(client, server, start)             // at the SYN; never blocks
//	process, ok := finder.Answer(client, server, start, 0) // start may differ a little
//
// Looking into the processes of others takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which a program that parses packets from the network
// must not have. So the looking is done by a child process, the same program started again, which drops everything but these two, never
// sees a packet, and answers with a bounded message: main has to call Serve where the first argument is Argument. A child without the two
// names the processes of its own user, and of others says the uid and why no more.
//
// Only clients on this host are asked for: others cost a look into a map, and have no answer.
package owner

import (
	"time"

	"go.uber.org/zap"
)

// Argument is the first argument of the child process. It is not for people.
const Argument = "internal-find-owners"

// Options says how a Finder works. The zero value is the network namespace that the process is in, and silence.
type Options struct {
	// NetNS is the path of the network namespace whose sockets are meant, such as /proc/123/ns/net; "" is the caller's own. To enter
	// another takes CAP_SYS_ADMIN.
	NetNS string
	// Log is where the child's end is told. Nil is silent.
	Log *zap.Logger
}

// Stats counts what a Finder did.
type Stats struct {
	Asked   int64 // connections of this host that were asked about
	Foreign int64 // connections of clients elsewhere; they cost nothing
	Known   int64 // processes found
	Unknown int64 // not found, dropped ones included; each answer says why
	Dropped int64 // not looked up since too many came at once
}

// Bounds.
const (
	// queueBytes is how much the socket to the child holds of questions that wait, by the kernel's count: some 200. A look-up takes some
	// 0.1 ms to 1 ms: who waits behind more than this has ended before its turn, and an answer that says so at once is better.
	queueBytes = 64 << 10
	// lookUpsPerSecond and burstLookUps bound the look-ups: a flood of connections would cost as much processor time again to name their
	// processes, and is mostly one process over and over. A deployment that starts opens some hundred connections at once, and then few.
	lookUpsPerSecond = 50
	burstLookUps     = 200
	// childPriority is the child's nice value where it can be had.
	childPriority = -10
	// maxAnswers is how many answers are remembered, a kilobyte each at the most: connections are reported when their fate is known, a
	// few seconds after their SYN, and a host that opens more than some hundred connections to etcd in a second is not read line by line.
	maxAnswers = 4096
	// startTimeout is how long the child may take to say that it is ready, which takes milliseconds on an idle machine.
	startTimeout = 20 * time.Second
	// closeTimeout is how long it may take to end once its socket is closed.
	closeTimeout = 5 * time.Second
)

// Why a process is not known, as far as the parent knows it.
const (
	whyTooMany = "too many connections at once"
	whyNotYet  = "the look-up has not ended yet"
	whyNoChild = "etcdtap's process that looks owners up has ended"
)
