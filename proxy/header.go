package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	proxyproto "github.com/pires/go-proxyproto"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

const (
	headerTime  = 5 * time.Second // for a PROXY header, which its sender sends before all else
	maxHeaderV1 = 107             // bytes; PROXY protocol, Section 2.1
	maxHeaderV2 = 4 << 10         // bytes; the addresses are at most 216, the rest are TLVs of load balancers, some hundred
	fixedV2     = 16              // bytes of a version 2 header before the addresses
)

// trusts reports whether a PROXY header of peer is believed.
func (s *Server) trusts(peer netip.AddrPort) bool {
	if !peer.IsValid() {
		return false
	}
	for _, p := range s.TrustedProxies {
		if p.Contains(peer.Addr()) {
			return true
		}
	}
	return false
}

// headerState is what the beginning of a stream is.
type headerState uint8

const (
	headerMore   headerState = iota // may become a PROXY header
	headerNone                      // is none
	headerWhole                     // is one
	headerBroken                    // begins like one and is none
)

// parseHeader reads the PROXY header at the beginning of p, and says how long it is.
func parseHeader(p []byte) (headerState, int, *proxyproto.Header, error) {
	n, state, err := headerLength(p)
	if state != headerWhole {
		return state, 0, nil, err
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(p[:n])))
	if err != nil {
		return headerBroken, 0, nil, err
	}
	return headerWhole, n, h, nil
}

// headerLength says how long the PROXY header at the beginning of p is, so that the library is shown the whole of it and nothing else.
func headerLength(p []byte) (int, headerState, error) {
	switch {
	case bytes.HasPrefix(p, proxyproto.SIGV2):
		if len(p) < fixedV2 {
			return 0, headerMore, nil
		}
		n := fixedV2 + (int(p[14])<<8 | int(p[15]))
		if n > maxHeaderV2 {
			return 0, headerBroken, fmt.Errorf("a PROXY header of %d bytes, of which at most %d are taken", n, maxHeaderV2)
		}
		if len(p) < n {
			return 0, headerMore, nil
		}
		return n, headerWhole, nil
	case bytes.HasPrefix(p, proxyproto.SIGV1):
		end := bytes.IndexByte(p[:min(len(p), maxHeaderV1)], '\n')
		switch {
		case end >= 0:
			return end + 1, headerWhole, nil
		case len(p) >= maxHeaderV1:
			return 0, headerBroken, fmt.Errorf("a PROXY header without an end in its first %d bytes", maxHeaderV1)
		}
		return 0, headerMore, nil
	case bytes.HasPrefix(proxyproto.SIGV2, p), bytes.HasPrefix(proxyproto.SIGV1, p):
		return 0, headerMore, nil
	}
	return 0, headerNone, nil
}

// readHeader reads on until the PROXY header is whole. Whoever is trusted need not send one.
func (c *conn) readHeader() {
	fd := c.side[analysis.FromClient].fd
	n, err := readSocket(fd, c.l.buf[:maxHeaderV2])
	switch {
	case err == unix.EAGAIN:
		return
	case err != nil:
		c.end(ByPeers)
		return
	}
	c.held = append(c.held, c.l.buf[:n]...)
	state, length, h, err := parseHeader(c.held)
	if state == headerMore && n == 0 {
		state = headerNone // it ends here: the upstream may make of it what it likes
	}
	switch state {
	case headerMore:
		return
	case headerBroken:
		c.l.s.counters.badHeaders.Add(1)
		if c.l.s.told.header.ok(c.l.now) {
			c.l.s.log.Warn("closed: a trusted sender's PROXY header is malformed", zap.String("remote-addr", c.info.Peer.String()), zap.Error(err))
		}
		c.end(ByFailure)
		return
	case headerWhole:
		c.held = c.held[length:]
		c.believe(h)
	}
	if !c.l.s.admit(c, c.info.Client) {
		c.end(ByFailure)
		return
	}
	c.startDial()
}

// believe takes the client's address from h. A LOCAL header, and one about a unix socket, speaks of nobody.
func (c *conn) believe(h *proxyproto.Header) {
	c.info.ProxyHeader = int(h.Version)
	if from, to, ok := h.TCPAddrs(); ok && h.Command.IsProxy() {
		c.info.Client = addrPort(from)
		c.info.Destination = addrPort(to)
	}
}

// header is what an upstream connection begins with; nil for nothing.
func (s *Server) header(i *Connection) []byte {
	if s.SendProxy == 0 {
		return nil
	}
	to := i.Listen
	if i.Destination.IsValid() {
		to = i.Destination
	}
	var from, at net.Addr = &net.UnixAddr{}, &net.UnixAddr{} // of unknown kind: the header says that nothing is known
	if i.Client.IsValid() && to.IsValid() {
		from, at = net.TCPAddrFromAddrPort(i.Client), net.TCPAddrFromAddrPort(to)
	}
	b, err := proxyproto.HeaderProxyFromAddrs(byte(s.SendProxy), from, at).Format()
	if err != nil {
		s.log.Error("no PROXY header can be made", zap.Error(err))
		return nil
	}
	return b
}
