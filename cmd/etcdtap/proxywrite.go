package main

import (
	"net/netip"
	"runtime"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/savefile"
	"github.com/etcdtap/etcdtap/proxy"
)

// proxyTap writes what passes through the proxy as packets, so that Wireshark and `etcdtap read` open it: capture without privileges.
// It implements proxy.Tap. A file that cannot be written any more is told once, and forwarding goes on.
type proxyTap struct {
	unix   uint16 // the last port made up for a client on a unix socket: connections are told apart by it
	log    *zap.Logger
	mu     sync.Mutex // the watcher writes, and a ticker flushes
	writer *savefile.Writer
	open   map[*proxy.Connection]*savefile.Conversation
	err    error // the first; nothing is written after it
}

func (e *environment) newProxyTap(f *writeFlags) (*proxyTap, error) {
	w, err := savefile.Create(savefile.Options{Name: f.name, Stdout: e.stdout, Host: hostText(), Hardware: runtime.GOARCH, Tool: "etcdtap " + versionText(),
		Comment: "made up by etcdtap proxy of the bytes that passed through it", HandshakesOnly: true,
		Interfaces: []savefile.Interface{{Name: "proxy", Link: capture.LinkRaw}},
		RotateSize: int64(f.size) * 1_000_000, RotateEvery: time.Duration(f.every) * time.Second, Files: f.files, Unbuffered: f.unbuffered})
	if err != nil {
		return nil, err
	}
	return &proxyTap{log: e.log, writer: w, open: make(map[*proxy.Connection]*savefile.Conversation)}, nil
}

// write lets say write to a connection's conversation, as long as nothing has failed.
func (t *proxyTap) write(c *proxy.Connection, say func(*savefile.Conversation) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	conversation := t.open[c]
	if t.err != nil || conversation == nil {
		return
	}
	if t.err = say(conversation); t.err != nil {
		t.log.Error("nothing more is written; forwarding goes on", zap.Error(t.err))
		clear(t.open)
	}
}

// Open implements proxy.Tap.
func (t *proxyTap) Open(c *proxy.Connection) {
	t.mu.Lock()
	if t.err == nil {
		t.open[c] = t.conversation(c)
	}
	t.mu.Unlock()
	t.write(c, func(v *savefile.Conversation) error {
		if err := v.Dial(c.At); err != nil {
			return err
		}
		at := c.At.Add(c.Dialed)
		switch {
		case c.Refused:
			return v.Refuse(at)
		case c.Unreached:
			return nil
		}
		return v.Open(at) // without an upstream, too, where the client gave up first: it had its answer
	})
}

// conversation begins a connection. Packets bear the client's address and the server's, as live reports do; the rest of what the proxy
// knows goes into a comment.
func (t *proxyTap) conversation(c *proxy.Connection) *savefile.Conversation {
	d := &capture.Detour{Outgoing: c.Outgoing, Dialed: c.ConnectedTo(), Role: c.Map.Role, UnixClient: !c.Client.IsValid(), UnixServer: c.Map.Upstream.Path != ""}
	d.Unresolved = !d.UnixServer && !c.Upstream.IsValid()
	if c.Unreached {
		d.Failure = c.DialError.Error()
	}
	client := c.Client
	if d.UnixClient {
		t.unix++
		client = netip.AddrPortFrom(netip.IPv4Unspecified(), t.unix)
	}
	v := savefile.NewConversation(t.writer, client, c.Upstream)
	v.Detour = d
	return v
}

// Data implements proxy.Tap.
func (t *proxyTap) Data(c *proxy.Connection, d analysis.Direction, at time.Time, p []byte) {
	t.write(c, func(v *savefile.Conversation) error { return v.Data(d, at, p) })
}

// Gap implements proxy.Tap.
func (t *proxyTap) Gap(c *proxy.Connection, d analysis.Direction, at time.Time, n int64) {
	t.write(c, func(v *savefile.Conversation) error { return v.Gap(d, at, n) })
}

// Close implements proxy.Tap.
func (t *proxyTap) Close(c *proxy.Connection, d analysis.Direction, at time.Time, how analysis.CloseKind) {
	t.write(c, func(v *savefile.Conversation) error { return v.Close(d, at, how) })
}

// End implements proxy.Tap.
func (t *proxyTap) End(c *proxy.Connection) {
	t.mu.Lock()
	delete(t.open, c)
	t.mu.Unlock()
}

// flush writes what is buffered.
func (t *proxyTap) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		if t.err = t.writer.Flush(); t.err != nil {
			t.log.Error("nothing more is written; forwarding goes on", zap.Error(t.err))
		}
	}
}

// close ends the file. It returns the first error of all.
func (t *proxyTap) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return firstOf(t.err, t.writer.Close())
}
