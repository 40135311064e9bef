package analysis

import (
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// ownClientHello moves what h points to from the caller's buffer, a message of n bytes, to one of s. The keys of its key shares stay
// behind: the post-quantum groups' are most of a hello, a connection that is watched keeps it for days, and nobody reads them. So does
// the session id.
func (s *stream) ownClientHello(h *tlswire.ClientHello, n int) {
	s.ownExtensions(h.Extensions, n)
	h.SessionID, h.CompressionMethods = nil, s.own(h.CompressionMethods)
}

// ownServerHello is ownClientHello for the server's.
func (s *stream) ownServerHello(h *tlswire.ServerHello, n int) {
	s.ownExtensions(h.Extensions, n)
	h.SessionID = nil
}

// ownExtensions begins s.hello, with room for all that own is given afterwards: what it was given before does not move.
func (s *stream) ownExtensions(list []tlswire.Extension, n int) {
	for i := range list {
		if e := &list[i]; e.Type == tlswire.ExtensionKeyShare {
			n -= len(e.Data)
			e.Data = nil
		}
	}
	s.hello = slices.Grow(s.hello[:0], max(n, 0))
	for i := range list {
		list[i].Data = s.own(list[i].Data)
	}
}

// own copies p behind what s.hello holds. What is empty points there, too: it would keep the caller's buffer from being collected.
func (s *stream) own(p []byte) []byte {
	if p == nil {
		return nil
	}
	n := len(s.hello)
	s.hello = append(s.hello, p...)
	return s.hello[n:len(s.hello):len(s.hello)]
}
