package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// step is one handshake to be made.
type step struct {
	purpose, offered string
	certificate      bool      // present ours when we are asked
	versions         [2]uint16 // least and most, as crypto/tls
	suites           []uint16
	alpn             []string
	watch            bool // wait for the server's verdict on the first read
	main             bool // keep what it shows of the server
	get              func(*tls.Conn) error
}

// handshake is a step being made.
type handshake struct {
	*analysis.Attempt
	prober *prober
	step   step
	wire   *wire
}

// try makes one connection and closes it again.
func (p *prober) try(ctx context.Context, s step) (a analysis.Attempt) {
	a = analysis.Attempt{Purpose: s.purpose, Offered: s.offered, At: time.Now()}
	defer func() { a.Took = time.Since(a.At) }()
	c, ok := p.dial(ctx, &a)
	if !ok {
		return a
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	h := &handshake{Attempt: &a, prober: p, step: s, wire: &wire{Conn: c, holds: true}}
	if s.main {
		h.wire.watched = analysis.NewConn(client(c), p.addr, a.At)
	}
	// One deadline for the whole handshake: a server that sends a byte now and then does not push it away.
	c.SetDeadline(time.Now().Add(p.Timeout))
	h.shake(tls.Client(h.wire, h.config()))
	a.Bytes = h.wire.received
	if s.main {
		h.keepFacts(c)
	}
	return a
}

// shake makes the handshake and what comes after it.
func (h *handshake) shake(t *tls.Conn) {
	err := t.Handshake()
	if flushed := h.wire.release(); err == nil {
		err = flushed
	}
	if err != nil {
		h.failed(err)
		return
	}
	h.Completed = true
	switch {
	case h.step.get != nil:
		h.wire.SetDeadline(time.Now().Add(h.prober.Timeout))
		if err := h.step.get(t); err != nil {
			h.failed(err)
		}
	case h.step.watch:
		h.verdict(t)
	}
	t.Close()
}

// verdict waits for what the server thinks of the handshake. In TLS 1.3 the client is done before the server has seen its
// certificate (RFC 8446, Section 4.4.4), so a refusal comes with the first read; a session ticket or data comes only from a server that
// is content. Either way the connection is watched a little longer: etcd looks at SANs and CRLs afterwards.
func (h *handshake) verdict(t *tls.Conn) {
	wait := h.prober.Timeout
	if h.Version != tlswire.VersionTLS13 || !h.Requested {
		h.Proof, wait = "finished", min(h.prober.Settle, wait) // the server's Finished came after it had our certificate, or it wants none
	}
	h.wire.SetDeadline(time.Now().Add(wait))
	var room [512]byte
	n, err := t.Read(room[:])
	switch {
	case n > 0:
		h.Proof = "application_data" // its contents are not ours to look at
	case timedOut(err) && h.Proof == "":
		h.Proof = "silence"
	case timedOut(err):
	default:
		h.failed(err)
	}
}

// ticket is called when a session ticket comes.
func (h *handshake) ticket() {
	if h.Completed && h.Proof == "" {
		h.Proof = "session_ticket"
		h.wire.SetReadDeadline(time.Now().Add(min(h.prober.Settle, h.prober.Timeout)))
	}
}

// config is that of a client that trusts anybody and remembers what it is shown.
func (h *handshake) config() *tls.Config {
	c := &tls.Config{
		ServerName:           h.prober.ServerName,
		InsecureSkipVerify:   true, // verified beside the handshake, so that what is wrong can be shown
		MinVersion:           h.step.versions[0],
		MaxVersion:           h.step.versions[1],
		CipherSuites:         h.step.suites,
		NextProtos:           h.step.alpn,
		GetClientCertificate: h.certificate,
		VerifyConnection:     h.presented,
		ClientSessionCache:   tickets{h.ticket},
	}
	return c
}

// certificate answers a CertificateRequest. Ours is presented even where a Go client would hold it back, because its issuer is not
// among the names: what the server says to it is what we are here for.
func (h *handshake) certificate(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	h.Requested = true
	own := h.prober.Certificate
	if h.step.main {
		h.prober.probe.Request = analysis.NewCertificateRequest(r.AcceptableCAs)
		if own != nil {
			if err := r.SupportsCertificate(own); err != nil {
				h.prober.probe.Request.Unsuitable = err.Error()
			}
		}
	}
	if own == nil || !h.step.certificate {
		return new(tls.Certificate), nil
	}
	h.Presented = true
	return own, nil
}

// presented is called when the server's certificate has come.
func (h *handshake) presented(s tls.ConnectionState) error {
	h.Hello = true
	h.Version, h.Suite, h.ALPN = tlswire.Version(s.Version), tlswire.CipherSuite(s.CipherSuite), s.NegotiatedProtocol
	if !h.step.main {
		return nil
	}
	ders := make([][]byte, len(s.PeerCertificates))
	for i, c := range s.PeerCertificates {
		ders[i] = c.Raw
	}
	h.prober.probe.SetChain(ders)
	return nil
}

// failed says how the server, or time, ended an attempt.
func (h *handshake) failed(err error) {
	h.Error = err.Error()
	var header tls.RecordHeaderError
	alert, alerted := alertOf(err)
	switch {
	case alerted:
		h.Result, h.Alert = analysis.AttemptRefused, alert
	case errors.As(err, &header):
		h.Result = analysis.AttemptNotTLS
	case timedOut(err):
		h.Result = analysis.AttemptNoAnswer
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		h.Result = analysis.AttemptClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		h.Result = analysis.AttemptReset
	default:
		h.Result = analysis.AttemptFailed
	}
}

// keepFacts ends the observation of the first connection. A ServerHello that crypto/tls stumbled over later counts, too.
func (h *handshake) keepFacts(c net.Conn) {
	now := time.Now()
	h.wire.watched.Close(analysis.FromClient, now, analysis.CloseFIN)
	h.wire.watched.SetTCP(analysis.TCPFacts{Established: true}, false, now)
	f := h.wire.watched.Facts()
	h.prober.probe.Facts = f
	if !h.Hello && f.TLS != nil && f.TLS.ServerHello != nil && h.Result != analysis.AttemptNotTLS {
		h.Hello, h.Version, h.Suite = true, f.TLS.Version, f.TLS.CipherSuite
	}
}

// listen connects and sends nothing: does the server speak first?
func (p *prober) listen(ctx context.Context) (a analysis.Attempt) {
	a = analysis.Attempt{Purpose: "listen", At: time.Now()}
	defer func() { a.Took = time.Since(a.At) }()
	c, ok := p.dial(ctx, &a)
	if !ok {
		return a
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	c.SetDeadline(time.Now().Add(min(p.Settle, p.Timeout)))
	var room [64]byte
	n, err := c.Read(room[:])
	a.Bytes = int64(n)
	switch {
	case n > 0:
		a.Result, a.Error = analysis.AttemptNotTLS, "the server spoke first"
	default:
		h := handshake{Attempt: &a}
		h.failed(err)
	}
	return a
}

// alertOf finds the server's alert in an error. crypto/tls has no exported type for it on TCP, but the same text for each code.
func alertOf(err error) (tlswire.AlertCode, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	for code := range 256 {
		if tls.AlertError(code).Error() == op.Err.Error() {
			return tlswire.AlertCode(code), true
		}
	}
	return 0, false
}

func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func client(c net.Conn) netip.AddrPort {
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// tickets tells when a session ticket comes, and keeps none.
type tickets struct{ came func() }

func (t tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (t tickets) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		t.came()
	}
}
