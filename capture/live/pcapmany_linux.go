//go:build cgo && !nopcap

package live

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// manyPcaps captures from several interfaces by libpcap. Each has a goroutine, since libpcap waits for one at a time, and gopacket does
// not show what could be waited for. Packets are copied into batches; what one interface needs no copy for, several do.
type manyPcaps struct {
	handles []*handle
	watch   watch
	inbox   inbox
	batch   *batch // being handed over
	at      int    // the next packet of it
	running sync.WaitGroup
	stopped atomic.Bool
}

func newManyPcaps(handles []*handle, l *links, snapLen int) *manyPcaps {
	r := &manyPcaps{handles: handles, watch: newWatch(l), batch: newBatch(snapLen)}
	r.inbox.space.L = &r.inbox.mu
	r.inbox.arrived = make(chan struct{}, 1)
	r.inbox.filling = newBatch(snapLen)
	return r
}

func (r *manyPcaps) start() {
	for _, h := range r.handles {
		r.running.Go(func() { r.pump(h) })
	}
}

// pump reads from one interface until it vanishes, the capture is closed, or something fails.
func (r *manyPcaps) pump(h *handle) {
	var p capture.Packet
	for !r.stopped.Load() {
		err := h.read(&p)
		switch {
		case err == nil:
			r.inbox.put(&p)
		case err == io.EOF:
			return
		case !errors.Is(err, ErrIdle):
			r.inbox.fail(err)
			return
		}
	}
}

// next implements reader.
func (r *manyPcaps) next(p *capture.Packet) error {
	for r.at == len(r.batch.packets) {
		down := r.watch.lookAfter(time.Now())
		if down != nil && down != io.EOF {
			return down
		}
		var err error
		r.at = 0
		if r.batch, err = r.inbox.take(r.batch); err != nil {
			return cmp.Or(down, err)
		}
	}
	*p = r.batch.packets[r.at]
	r.at++
	return nil
}

// count implements reader.
func (r *manyPcaps) count(c []InterfaceStats) {
	for i, h := range r.handles {
		h.count(&c[i])
	}
}

// down implements reader.
func (r *manyPcaps) down() []string { return r.watch.links.down() }

// close implements reader.
func (r *manyPcaps) close() error {
	r.stopped.Store(true)
	r.inbox.close()
	r.running.Wait()
	for _, h := range r.handles {
		h.pcap.Close()
	}
	r.watch.links.close()
	return nil
}

// batchBytes is how much of packets a batch holds. Beside the one being handed over there is one being filled, and when that is full, the
// interfaces have to wait: their kernel buffers fill up, and what they drop is counted.
const batchBytes = 1 << 20

// batch is some packets with their bytes.
type batch struct {
	packets []capture.Packet
	bytes   []byte // of the packets; never grows
}

func newBatch(snapLen int) *batch { return &batch{bytes: make([]byte, 0, max(batchBytes, snapLen))} }

func (b *batch) fits(p *capture.Packet) bool { return len(b.bytes)+len(p.Data) <= cap(b.bytes) }

func (b *batch) add(p *capture.Packet) {
	begin := len(b.bytes)
	b.bytes = append(b.bytes, p.Data...)
	b.packets = append(b.packets, *p)
	b.packets[len(b.packets)-1].Data = b.bytes[begin:len(b.bytes):len(b.bytes)]
}

// inbox is where several interfaces put packets, and where they are taken from a batch at a time.
type inbox struct {
	mu      sync.Mutex
	space   sync.Cond     // for those who put: the batch was taken, or the inbox closed
	arrived chan struct{} // for the one who takes: holds one token if something was put since
	filling *batch
	err     error
	closed  bool
}

// put copies a packet into the batch and waits for place when there is none.
func (b *inbox) put(p *capture.Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.filling.fits(p) && !b.closed {
		b.space.Wait()
	}
	if b.closed {
		return
	}
	b.filling.add(p)
	b.announce()
}

// fail has take return the error, after what has been put before.
func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.announce()
}

func (b *inbox) announce() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.space.Broadcast()
}

// take returns the packets that were put, in the order of time, and takes a batch that is done with in exchange. It waits for some
// for idleAfter, then it returns that batch, empty, and ErrIdle.
func (b *inbox) take(done *batch) (*batch, error) {
	done.packets, done.bytes = done.packets[:0], done.bytes[:0]
	timeout := time.NewTimer(idleAfter)
	defer timeout.Stop()
	select {
	case <-b.arrived:
	case <-timeout.C:
		return done, ErrIdle
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.filling
	if len(taken.packets) == 0 {
		return done, b.err // the error, or an announcement of what was taken with an earlier one
	}
	b.filling = done
	b.space.Broadcast()
	if b.err != nil {
		b.announce()
	}
	slices.SortStableFunc(taken.packets, func(p, q capture.Packet) int { return cmp.Compare(p.Time, q.Time) })
	return taken, nil
}
