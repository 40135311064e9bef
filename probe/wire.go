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
type wire struct {
	net.Conn
	watched  *analysis.Conn // nil: nobody is interested
	received int64
}

func (w *wire) Read(b []byte) (int, error) {
	if w.received >= maxReceived {
		return 0, errTooMuch
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
	return w.Conn.Write(b)
}
