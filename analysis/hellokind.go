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
	hash    uint64
	body    []byte
	client  *tlswire.ClientHello // nil for a ServerHello. Immutable, and so is what it points to
	server  *tlswire.ServerHello
}

// HelloKinds are the kinds of both hellos; nil where there is no hello, or it is of no kind that is remembered.
func (t *TLSFacts) HelloKinds() (client, server *HelloKind) { return t.clientKind, t.serverKind }

// helloKinds remembers kinds of hello. The zero value is ready.
type helloKinds struct {
	kinds  map[uint64]*HelloKind
	seed   maphash.Seed
	bytes  int
	recent [recentKinds]*HelloKind // those that come most often lately
}

// recentKinds are so many that most hellos are of one of them: to compare is faster than to look for what each connection makes anew.
const recentKinds = 4

// find looks the kind of a hello up. A kind that is not known may be added, once it is read; nil is none.
func (k *helloKinds) find(body []byte, stencilOf func([]byte) (tlswire.Stencil, bool)) (kind *HelloKind, known bool) {
	if kind = k.recall(body); kind != nil {
		return kind, true
	}
	if len(body) > maxHelloKind {
		return nil, false
	}
	stencil, ok := stencilOf(body)
	if !ok {
		return nil, false
	}
	if k.kinds == nil || len(k.kinds) >= maxHelloKinds || k.bytes > maxHelloKindBytes {
		*k = helloKinds{kinds: make(map[uint64]*HelloKind), seed: maphash.MakeSeed()}
	}
	hash := stencil.Hash(k.seed, body)
	if kind = k.kinds[hash]; kind != nil && kind.stencil == stencil && stencil.Same(kind.body, body) {
		copy(k.recent[1:], k.recent[:])
		k.recent[0] = kind
		return kind, true
	}
	return &HelloKind{stencil: stencil, hash: hash}, false
}

// recall looks among the recent ones. A stencil leaves all lengths open, so that it is that of another body, too, if that is the same.
func (k *helloKinds) recall(body []byte) *HelloKind {
	for i, kind := range k.recent {
		if kind == nil {
			break
		}
		if kind.stencil.Same(kind.body, body) {
			if i > 0 {
				k.recent[i-1], k.recent[i] = kind, k.recent[i-1]
			}
			return kind
		}
	}
	return nil
}

// add remembers a kind that find has given.
func (k *helloKinds) add(kind *HelloKind, body []byte) {
	kind.body = bytes.Clone(body)
	k.kinds[kind.hash] = kind
	k.bytes += len(body)
}

// clientHelloKind looks the kind of a ClientHello up; without a cache there is none.
func (k *CertificateCache) clientHelloKind(body []byte) (kind *HelloKind, known bool) {
	if k == nil {
		return nil, false
	}
	return k.clientHellos.find(body, tlswire.ClientHelloStencil)
}

// serverHelloKind is clientHelloKind for a ServerHello. A HelloRetryRequest has no kind.
func (k *CertificateCache) serverHelloKind(body []byte) (kind *HelloKind, known bool) {
	if k == nil || tlswire.IsHelloRetryRequest(body) {
		return nil, false
	}
	return k.serverHellos.find(body, tlswire.ServerHelloStencil)
}

// bytesOfParsed is what a hello of its own takes, whose lists take so many bytes: they grow by more than they need.
func bytesOfParsed(lists int) int { return max(bytesOfHello, 2*lists) }

// parsedHellos is where hellos are parsed that are of no known kind.
type parsedHellos struct {
	client tlswire.ClientHello
	server tlswire.ServerHello
}

// readClientHello reads a ClientHello, or recognises it.
func (c *Conn) readClientHello(s *stream, body []byte) *tlswire.SyntaxError {
	t := &c.tls
	kind, known := c.cache.clientHelloKind(body)
	if !known {
		err := c.parseClientHello(s, body)
		if err != nil || kind == nil {
			t.clientKind = nil
			return err
		}
		kind.client = cloneClientHello(t.ClientHello)
		c.cache.clientHellos.add(kind, body)
	}
	copy(c.random[FromClient][:], kind.stencil.Random(body))
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
	c.own += bytesOfParsed(h.Held()) + 2*len(body)
	c.random[FromClient], h.Random = h.Random, [32]byte{}
	c.tls.ClientHello = h
	return err
}

// readServerHello reads a ServerHello, or recognises it. It is valid as long as the facts are.
func (c *Conn) readServerHello(s *stream, body []byte) (*tlswire.ServerHello, *tlswire.SyntaxError) {
	kind, known := c.cache.serverHelloKind(body)
	if !known {
		h, err := c.parseServerHello(s, body)
		if err != nil || kind == nil {
			c.tls.serverKind = nil
			return h, err
		}
		kind.server = cloneServerHello(h)
		c.cache.serverHellos.add(kind, body)
	}
	copy(c.random[FromServer][:], kind.stencil.Random(body))
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
	c.own += bytesOfParsed(h.Held()) + 2*len(body)
	if c.random[FromServer] = h.Random; !h.HelloRetryRequest() {
		h.Random = [32]byte{}
	}
	return h, err
}
