package probe

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
)

// maxReceived bounds what one connection may send us, in bytes: four of the longest Certificate messages that crypto/tls takes
// (256 KiB), and much more than any etcd sends.
const maxReceived = 1 << 20

var errTooMuch = errors.New("more than 1 MiB came, given up")

// wire is a connection that is bounded and watched: what passes is told to an analysis.Conn as capture and proxy do it.
//
// While it holds, what is written waits until we read, so that a flight leaves in one piece. crypto/tls writes the last flight of TLS 1.3
// record by record: a server that refuses the first of them would close while we still write, and its alert be lost to a broken pipe.
type wire struct {
	net.Conn
	watched  *analysis.Conn // nil: nobody is interested
	received int64
	holds    bool
	held     []byte // a flight of ours: a few KiB, or our own certificates
}

// flush sends what was held.
func (w *wire) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	b := w.held
	w.held = nil
	_, err := w.Conn.Write(b)
	return err
}

// release flushes, and holds nothing from now on.
func (w *wire) release() error {
	w.holds = false
	return w.flush()
}

func (w *wire) Read(b []byte) (int, error) {
	if w.received >= maxReceived {
		return 0, errTooMuch
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(b[:min(int64(len(b)), maxReceived-w.received)])
	w.received += int64(n)
	if w.watched == nil {
		return n, err
	}
	now := time.Now()
	if n > 0 {
		w.watched.Data(analysis.FromServer, now, b[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		w.watched.Close(analysis.FromServer, now, analysis.CloseFIN)
	case errors.Is(err, syscall.ECONNRESET):
		w.watched.Close(analysis.FromServer, now, analysis.CloseRST)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if w.watched != nil {
		w.watched.Data(analysis.FromClient, time.Now(), b)
	}
	if w.holds {
		w.held = append(w.held, b...)
		return len(b), nil
	}
	return w.Conn.Write(b)
}
