package analysis

import "github.com/etcdtap/etcdtap/analysis/tlswire"

// maxShapes is how many readings of record lengths are remembered, 400 bytes each, before all are forgotten. Clients of a kind that do
// the same at the same server have the same lengths.
const maxShapes = 1024

// shapeKey is all that the reading of record lengths depends on, for connections of a known kind of ClientHello.
type shapeKey struct {
	client  *HelloKind
	suite   tlswire.CipherSuite
	resumed bool
	records [2]uint8 // by Direction: of the lengths, those that are valid
	lengths [2][maxShape]uint16
	before  [maxShape]uint8 // by the client's record: how many of the server's were sent before it
}

// set makes k the key of t.
func (k *shapeKey) set(t *TLSFacts) {
	k.client, k.suite, k.resumed = t.clientKind, t.CipherSuite, t.Resumed
	client, server := t.Encrypted[FromClient].Shape, t.Encrypted[FromServer].Shape
	k.records = [2]uint8{uint8(len(client)), uint8(len(server))}
	for i := range server {
		k.lengths[FromServer][i] = server[i].Length
	}
	n := 0
	for i := range client {
		for n < len(server) && earlier(&server[n], &client[i]) {
			n++
		}
		k.lengths[FromClient][i], k.before[i] = client[i].Length, uint8(n)
	}
}

// readLengths is what f.lengths gives, from memory where it was read before.
func (k *CertificateCache) readLengths(f *Facts) (s Shape, ok bool) {
	if k == nil || !f.hasLengths() || f.TLS.clientKind == nil {
		return f.lengths()
	}
	var key shapeKey
	key.set(f.TLS)
	if s, ok = k.shapes[key]; ok {
		return s, true
	}
	if s, ok = f.lengths(); !ok {
		return s, false
	}
	if k.shapes == nil || len(k.shapes) >= maxShapes {
		k.shapes = make(map[shapeKey]Shape)
	}
	k.shapes[key] = s
	return s, true
}
