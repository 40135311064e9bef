package savefile

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// flushAt is how much is gathered before it is written, in bytes: enough to make the system calls cheap, and little enough to be lost
// in a crash.
const flushAt = 128 << 10

// Stats is what an interface has counted since the capture began.
type Stats struct {
	Received         uint64 // packets that the filter accepted, dropped ones included
	Dropped          uint64 // by the system, for want of buffer
	InterfaceDropped uint64 // by the interface or its driver
}

// Writer writes packets to a file, or to one file after the other.
type Writer struct {
	options Options
	rotation
	name    string    // of the current file
	out     io.Writer // the current file, or standard output; nil when none is open
	file    *os.File  // the current file; nil for standard output
	regular bool      // the file can be cut back
	buf     []byte    // whole blocks that are not written yet
	written int64     // bytes of the current file before buf
	before  int64     // bytes of the files before it
	packets int64     // packets in them
	began   int64     // when the current file was begun, in nanoseconds
	stats   []counted // by interface
	scratch []byte    // for one made-up packet
	made    capture.Packet
	total   int64
	err     error // why no more is written
}

// counted is an interface's counters, now and when the current file was begun.
type counted struct {
	now, before Stats
	told        bool
}

// Create opens the first file, as tcpdump does, before there is a packet. An error about a file is an *Error.
func Create(o Options) (*Writer, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Writer{options: o, stats: make([]counted, len(o.Interfaces)), buf: make([]byte, 0, flushAt+maxPacket+packetOverhead)}
	w.rotation.begin(&w.options)
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
}

// Name is the current file's, or the last one's.
func (w *Writer) Name() string { return w.name }

// Packets is how many packets were given to all files together.
func (w *Writer) Packets() int64 { return w.total }

// Bytes is how long all files together are, with what is still buffered.
func (w *Writer) Bytes() int64 { return w.before + w.size() }

// SetStats tells what an interface has counted since the capture began. It goes into the file when that is closed, and each file of a
// rotation tells its own share: call it now and then, and before Close.
func (w *Writer) SetStats(index int, s Stats) {
	if index >= 0 && index < len(w.stats) {
		w.stats[index].now, w.stats[index].told = s, true
	}
}

// Packet writes p as it was captured, after changing the file when that is due. It returns ErrFilesWritten when the last file was
// full: then p is in none. After that or an *Error nothing more is written, and the error comes again; any other is about p alone.
func (w *Writer) Packet(p *capture.Packet) error {
	if w.err != nil {
		return w.err
	}
	if err := w.check(p); err != nil {
		return err
	}
	if w.rotates {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	w.buf = packet(w.buf, p)
	w.total++
	if w.options.Unbuffered || len(w.buf) >= flushAt {
		return w.Flush()
	}
	return nil
}

// check refuses packets that would make the file say something wrong.
func (w *Writer) check(p *capture.Packet) error {
	if p.Interface < 0 || int(p.Interface) >= len(w.options.Interfaces) {
		return fmt.Errorf("packet %d is of interface %d, but the file has %d", p.Number, p.Interface, len(w.options.Interfaces))
	}
	if link := w.options.Interfaces[p.Interface].Link; p.Link != link {
		return fmt.Errorf("packet %d has the link type %v, but its interface has %v", p.Number, p.Link, link)
	}
	return nil
}

// size is the length of the current file with what is still buffered.
func (w *Writer) size() int64 { return w.written + int64(len(w.buf)) }

// Flush writes what is buffered. The caller does so when no packet comes, so that a reader of the file or the pipe is not kept
// waiting.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	n, err := w.out.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(n, err)
	}
	_, packets := wholeBlocks(w.buf, n)
	w.packets += packets
	w.written += int64(n)
	w.buf = w.buf[:0]
	return nil
}

// fail ends the writing after n of the buffered bytes, and cuts the file back to the last whole block.
func (w *Writer) fail(n int, err error) error {
	whole, packets := wholeBlocks(w.buf, n)
	w.packets += packets
	w.buf = w.buf[:0]
	w.written += int64(n)
	if at := w.written - int64(n-whole); w.regular && w.file.Truncate(at) == nil {
		w.written = at
	}
	w.err = w.wrong("writing", err)
	if w.file != nil {
		w.file.Close()
	}
	w.out, w.file = nil, nil
	return w.err
}

func (w *Writer) wrong(doing string, err error) error {
	e := &Error{Name: w.name, Doing: doing, Packets: w.packets, Bytes: w.written, Err: err}
	if w.options.HandshakesOnly && full(err) {
		e.advice = adviceFull // it is what --write-handshakes would keep
	}
	return e
}

// Close writes the statistics, flushes, and closes the file. It returns an error only if no call before it has returned one.
func (w *Writer) Close() error {
	if w.err != nil {
		return nil
	}
	err := w.closeFile()
	if w.err == nil {
		w.err = os.ErrClosed
	}
	return err
}

// open begins the file that is due.
func (w *Writer) open() error {
	name, err := w.fileName(&w.options)
	if err != nil {
		return err
	}
	w.before += w.written
	w.name, w.written, w.packets, w.began = name, 0, 0, w.options.Now().UnixNano()
	w.file, w.regular, w.out = nil, false, w.options.Stdout
	if name != stdout {
		if w.file, w.regular, err = create(name, w.options.UID, w.options.GID); err != nil {
			return err
		}
		w.out = w.file
	}
	w.buf = section(w.buf[:0], &w.options)
	return w.Flush() // who looks into it finds a capture file, and a full disk is known at once
}

// closeFile completes the current file.
func (w *Writer) closeFile() error {
	now := w.options.Now().UnixNano()
	for i := range w.stats {
		if c := &w.stats[i]; c.told {
			w.buf = statistics(w.buf, i, w.began, now, &Stats{c.now.Received - c.before.Received, c.now.Dropped - c.before.Dropped,
				c.now.InterfaceDropped - c.before.InterfaceDropped})
			c.before = c.now
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	file := w.file
	w.out, w.file = nil, nil
	if file == nil {
		return nil
	}
	if err := file.Close(); err != nil {
		w.err = w.wrong("closing", err)
	}
	return w.err
}
