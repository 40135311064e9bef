package analysis

import (
	"bytes"
	"slices"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Clone copies the facts so that they outlive their Conn. Certificates, which are immutable, are shared.
func (f *Facts) Clone() *Facts {
	c := *f
	for d := range c.Stream {
		c.Stream[d].FirstBytes = bytes.Clone(f.Stream[d].FirstBytes)
	}
	if f.TLS != nil {
		c.TLS = f.TLS.clone()
	}
	return &c
}

// bytesOfClone is what a clone takes at the least.
const bytesOfClone = 4 << 10

// cloned is about how many bytes a clone takes, with its certificates, which others may share.
func (f *Facts) cloned() int {
	n, t := bytesOfClone, f.TLS
	if t == nil {
		return n
	}
	if h := t.ClientHello; h != nil {
		n += h.Held() + dataOf(h.Extensions)
	}
	if h := t.ServerHello; h != nil {
		n += h.Held() + dataOf(h.Extensions)
	}
	if t.SSLv2 != nil {
		n += t.SSLv2.Held()
	}
	for d := range t.Certificates {
		for _, c := range t.Certificates[d].Chain {
			n += timesOfDER * len(c.Raw)
		}
	}
	for _, name := range t.CertificateRequest.RawAuthorities {
		n += timesOfDER * len(name)
	}
	return n
}

// dataOf is how many bytes the extensions have.
func dataOf(list []tlswire.Extension) (n int) {
	for i := range list {
		n += len(list[i].Data)
	}
	return n
}

func (t *TLSFacts) clone() *TLSFacts {
	c := *t
	c.ClientHello, c.ServerHello = cloneClientHello(t.ClientHello), cloneServerHello(t.ServerHello)
	if t.SSLv2 != nil {
		v2 := *t.SSLv2
		v2.CipherSpecs, v2.SessionID, v2.Challenge = slices.Clone(v2.CipherSpecs), bytes.Clone(v2.SessionID), bytes.Clone(v2.Challenge)
		c.SSLv2 = &v2
	}
	r := &c.CertificateRequest
	r.Authorities, r.RawAuthorities = slices.Clone(r.Authorities), slices.Clone(r.RawAuthorities)
	for d := range c.Certificates {
		c.Certificates[d].Chain = slices.Clone(c.Certificates[d].Chain)
		c.Encrypted[d].Shape = slices.Clone(c.Encrypted[d].Shape)
	}
	c.Alerts, c.Violations = slices.Clone(t.Alerts), slices.Clone(t.Violations)
	return &c
}

func cloneClientHello(h *tlswire.ClientHello) *tlswire.ClientHello {
	if h == nil {
		return nil
	}
	c := *h
	c.SessionID, c.CompressionMethods, c.PointFormats = bytes.Clone(h.SessionID), bytes.Clone(h.CompressionMethods), slices.Clone(h.PointFormats)
	c.PSKModes = slices.Clone(h.PSKModes)
	c.CipherSuites, c.Groups, c.KeyShares = slices.Clone(h.CipherSuites), slices.Clone(h.Groups), slices.Clone(h.KeyShares)
	c.ALPN, c.SupportedVersions = slices.Clone(h.ALPN), slices.Clone(h.SupportedVersions)
	c.SignatureAlgorithms, c.SignatureAlgorithmsCert = slices.Clone(h.SignatureAlgorithms), slices.Clone(h.SignatureAlgorithmsCert)
	c.Extensions = cloneExtensions(h.Extensions)
	return &c
}

func cloneServerHello(h *tlswire.ServerHello) *tlswire.ServerHello {
	if h == nil {
		return nil
	}
	c := *h
	c.SessionID, c.Extensions = bytes.Clone(h.SessionID), cloneExtensions(h.Extensions)
	return &c
}

func cloneExtensions(list []tlswire.Extension) []tlswire.Extension {
	c := slices.Clone(list)
	for i := range c {
		c[i].Data = bytes.Clone(c[i].Data)
	}
	return c
}
