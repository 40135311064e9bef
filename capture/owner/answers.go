package owner

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// key names a connection by its ends. Ports are used again: which of several connections an answer is about, its time tells.
type key struct {
	client, server netip.AddrPort
}

// sameStart is how far two times of one SYN may be apart: of a packet that two sockets captured, or of an accepted connection and its SYN.
const sameStart = 500 * time.Millisecond

func keyOf(client, server netip.AddrPort) key {
	return key{plainAddress(client), plainAddress(server)}
}

// plainAddress is a without IPv4-in-IPv6 form and zone, as packets have it.
func plainAddress(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// answer is what is known of one connection's owner. process may be read once done is closed.
type answer struct {
	key     key
	start   time.Time
	done    chan struct{}
	process analysis.Process
}

// answers remembers the last maxAnswers answers, and who is waited for. It is safe for concurrent use.
type answers struct {
	lock    sync.Mutex
	byKey   map[key]*answer
	ring    [maxAnswers]*answer // in the order of asking; the slot of the next one holds the oldest
	foreign atomic.Int64
	flood   *allowance  // of look-ups, guarded by lock
	late    atomic.Bool // the last wait was in vain, and nothing was answered since
	next    uint64      // number of answers begun; also the id of the next, by which the child's replies name it
	stats   Stats
}

// begin makes room for an answer and gives its number. The oldest is forgotten, and who waits for it told. asked is true, and nothing has
// begun, where the same SYN was asked about before.
func (a *answers) begin(k key, start time.Time) (id uint64, asked bool) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if old := a.byKey[k]; old != nil && old.isOf(start) {
		return 0, true
	}
	id = a.next
	a.next++
	slot := &a.ring[id%maxAnswers]
	if old := *slot; old != nil {
		if a.byKey[old.key] == old {
			delete(a.byKey, old.key)
		}
		a.settle(old, analysis.Process{Why: whyTooMany})
	}
	*slot = &answer{key: k, start: start, done: make(chan struct{})}
	a.byKey[k] = *slot
	a.stats.Asked++
	return id, false
}

// affordable reports whether one more look-up is within lookUpsPerSecond, and counts it if it is.
func (a *answers) affordable() bool {
	a.lock.Lock()
	defer a.lock.Unlock()
	if a.flood == nil {
		a.flood = newAllowance(1, burstLookUps*time.Second/lookUpsPerSecond)
	}
	if !a.flood.has() {
		return false
	}
	a.flood.spend(time.Second / lookUpsPerSecond)
	return true
}

// isOf reports whether the answer is about the connection that began then.
func (x *answer) isOf(start time.Time) bool { return x.start.Sub(start).Abs() <= sameStart }

// give sets the answer of a number. A number that is not open any more, or never was, is ignored.
func (a *answers) give(id uint64, p analysis.Process) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.late.Store(false)
	if open := a.open(id); open != nil {
		a.settle(open, p)
	}
}

// drop answers that there were too many.
func (a *answers) drop(id uint64) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if open := a.open(id); open != nil {
		a.stats.Dropped++
		a.settle(open, analysis.Process{Why: whyTooMany})
	}
}

// forget takes a question back whose client turned out to be elsewhere.
func (a *answers) forget(id uint64) {
	a.lock.Lock()
	defer a.lock.Unlock()
	open := a.open(id)
	if open == nil {
		return
	}
	if a.byKey[open.key] == open {
		delete(a.byKey, open.key)
	}
	a.ring[id%maxAnswers] = nil
	a.stats.Asked--
	a.foreign.Add(1)
	close(open.done)
}

// giveUp answers all that is open.
func (a *answers) giveUp(why string) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for _, x := range a.ring {
		if x != nil {
			a.settle(x, analysis.Process{Why: why})
		}
	}
}

// open is the unanswered question of a number, nil when there is none.
func (a *answers) open(id uint64) *answer {
	if id >= a.next || a.next-id > maxAnswers {
		return nil
	}
	x := a.ring[id%maxAnswers]
	if x == nil || x.settled() {
		return nil
	}
	return x
}

func (x *answer) settled() bool {
	select {
	case <-x.done:
		return true
	default:
		return false
	}
}

// settle sets x's answer unless it has one. The lock is held.
func (a *answers) settle(x *answer, p analysis.Process) {
	if x.settled() {
		return
	}
	if p.Known {
		a.stats.Known++
	} else {
		a.stats.Unknown++
	}
	x.process = p
	close(x.done)
}

// find waits for the answer about a connection, unless the one before was waited for in vain: whoever asks may have thousands to ask about,
// and a child that hangs must not hold them up for each. ok is false when it was not asked for, or is forgotten, or its client is elsewhere.
func (a *answers) find(k key, start time.Time, wait time.Duration) (p analysis.Process, ok bool) {
	a.lock.Lock()
	x := a.byKey[k]
	a.lock.Unlock()
	if x == nil || !x.isOf(start) {
		return analysis.Process{}, false
	}
	if !x.settled() {
		if wait <= 0 || a.late.Load() {
			return analysis.Process{Why: whyNotYet}, true
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-x.done:
		case <-timer.C:
			a.late.Store(true)
			return analysis.Process{Why: whyNotYet}, true
		}
	}
	return x.process, x.process.Known || x.process.Why != "" // neither: it was taken back
}

func (a *answers) count() Stats {
	a.lock.Lock()
	defer a.lock.Unlock()
	s := a.stats
	s.Foreign = a.foreign.Load()
	return s
}
