//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
)

// TestLiveNamedPipe: a log that is a named pipe (--log <(journalctl -f -u etcd)) is joined, and while it is silent all else goes on.
func TestLiveNamedPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	e := &environment{log: zap.NewNop()}
	silent, err := os.OpenFile(name, os.O_RDWR, 0) // waits for nobody
	if err != nil {
		t.Fatal(err)
	}
	l, err := e.newLiveLogs([]string{name}, new(analysis.Explainer))
	if err != nil {
		t.Fatal(err)
	}
	l.poll(func(*analysis.LogEntry) { t.Error("an entry of nothing") })
	l.close()
	silent.Close()
	go func() {
		w, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		writePiped(w)
	}()
	takesPiped(t, e, name)
}
