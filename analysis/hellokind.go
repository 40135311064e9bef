package analysis

import (
	"bytes"
	"hash/maphash"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Bounds on the kinds of hello that are remembered; at a bound all are forgotten. A cluster has a dozen.
const (
	maxHelloKinds     = 512
	maxHelloKindBytes = 1 << 20 // of messages; what is parsed takes about as much
	maxHelloKind      = 4 << 10 // of one message; longer ones are no kind
)

// HelloKind stands for all hellos that differ in nothing but what each connection makes anew: the random, the session id and the keys.
// Two connections of the same kind have the same HelloKind as long as it is remembered, so that what is made of one may serve for the
// other.
type HelloKind struct {
	stencil tlswire.Stencil
	body    []byte
	client  *tlswire.ClientHello // nil for a ServerHello. Immutable, and so is what it points to
	server  *tlswire.ServerHello
}

// HelloKinds are the kinds of both hellos; nil where there is no hello, or it is of no kind that is remembered.
func (t *TLSFacts) HelloKinds() (client, server *HelloKind) { return t.clientKind, t.serverKind }

// helloKinds remembers kinds of hello. The zero value is ready.
type helloKinds struct {
	kinds map[uint64]*HelloKind
	seed  maphash.Seed
	bytes int
}

// find looks the kind of a hello up, to which the stencil belongs.
func (k *helloKinds) find(t *tlswire.Stencil, body []byte) (kind *HelloKind, hash uint64) {
	if k.kinds == nil || len(k.kinds) >= maxHelloKinds || k.bytes > maxHelloKindBytes {
		k.kinds, k.bytes, k.seed = make(map[uint64]*HelloKind), 0, maphash.MakeSeed()
	}
	hash = t.Hash(k.seed, body)
	if kind = k.kinds[hash]; kind != nil && kind.stencil == *t && t.Same(kind.body, body) {
		return kind, hash
	}
	return nil, hash
}

// add remembers a kind.
func (k *helloKinds) add(hash uint64, kind *HelloKind, body []byte) *HelloKind {
	kind.body = bytes.Clone(body)
	k.kinds[hash] = kind
	k.bytes += len(body)
	return kind
}

// parsedHellos is where hellos are parsed that are of no known kind.
type parsedHellos struct {
	client tlswire.ClientHello
	server tlswire.ServerHello
}

// readClientHello reads a ClientHello, or recognises it.
func (c *Conn) readClientHello(s *stream, body []byte) *tlswire.SyntaxError {
	t := &c.tls
	t.clientKind = nil
	stencil, ok := tlswire.ClientHelloStencil(body)
	if !ok || c.cache == nil || len(body) > maxHelloKind {
		return c.parseClientHello(s, body)
	}
	kind, hash := c.cache.clientHellos.find(&stencil, body)
	if kind == nil {
		if err := c.parseClientHello(s, body); err != nil {
			return err
		}
		kind = c.cache.clientHellos.add(hash, &HelloKind{stencil: stencil, client: cloneClientHello(t.ClientHello)}, body)
	}
	copy(c.random[FromClient][:], stencil.Random(body))
	t.ClientHello, t.clientKind = kind.client, kind
	return nil
}

// parseClientHello reads a ClientHello of its own.
func (c *Conn) parseClientHello(s *stream, body []byte) *tlswire.SyntaxError {
	if c.parsed == nil {
		c.parsed = new(parsedHellos)
	}
	h := &c.parsed.client
	err := h.Unmarshal(body)
	s.ownClientHello(h, len(body))
	c.random[FromClient], h.Random = h.Random, [32]byte{}
	c.tls.ClientHello = h
	return err
}

// readServerHello reads a ServerHello, or recognises it. It is valid as long as the facts are.
func (c *Conn) readServerHello(s *stream, body []byte) (*tlswire.ServerHello, *tlswire.SyntaxError) {
	c.tls.serverKind = nil
	stencil, ok := tlswire.ServerHelloStencil(body)
	if !ok || c.cache == nil || len(body) > maxHelloKind {
		return c.parseServerHello(s, body)
	}
	kind, hash := c.cache.serverHellos.find(&stencil, body)
	if kind == nil {
		h, err := c.parseServerHello(s, body)
		if err != nil {
			return h, err
		}
		kind = c.cache.serverHellos.add(hash, &HelloKind{stencil: stencil, server: cloneServerHello(h)}, body)
	}
	copy(c.random[FromServer][:], stencil.Random(body))
	c.tls.serverKind = kind
	return kind.server, nil
}

// parseServerHello reads a ServerHello of its own. A HelloRetryRequest keeps its random, by which it is known.
func (c *Conn) parseServerHello(s *stream, body []byte) (*tlswire.ServerHello, *tlswire.SyntaxError) {
	if c.parsed == nil {
		c.parsed = new(parsedHellos)
	}
	h := &c.parsed.server
	err := h.Unmarshal(body)
	s.ownServerHello(h, len(body))
	if c.random[FromServer] = h.Random; !h.HelloRetryRequest() {
		h.Random = [32]byte{}
	}
	return h, err
}
