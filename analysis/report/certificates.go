package report

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// Bounds on the certificates that are collected. A cluster has a few dozen; more come only from someone who makes them up.
const (
	maxCertificates     = 65536
	maxCertificateBytes = 64 << 20 // of DER
	maxPresentedAt      = 16       // servers and clients named for one certificate
	maxFiles            = 16       // files named that hold one certificate
)

// Certificates collects each distinct certificate that was presented. The zero value is ready. It is not safe for concurrent use.
type Certificates struct {
	Files  *pki.Store         // the PKI in which certificates are looked up; nil for none
	found  []foundCertificate // in the order in which they were found
	index  map[[sha256.Size]byte]int
	last   [2]lastChain // by the Direction: the same certificate comes again and again
	bytes  int
	Beyond int64 // presentations of certificates that found no room
}

type lastChain struct {
	cert   *analysis.Certificate
	client netip.Addr
	server netip.AddrPort
	index  int
}

// foundCertificate is a certificate and who presented it to whom.
type foundCertificate struct {
	cert        *analysis.Certificate
	by          [2]bool          // by the Direction that presented it
	leaf        bool             // it came first in a chain
	servers     []netip.AddrPort // the servers of its connections, at most maxPresentedAt
	clients     []netip.Addr     // the clients that presented it, at most maxPresentedAt
	more        bool             // there were more of either
	count       int64            // presentations
	firstPacket int64            // of the first message that held it
	firstAt     time.Time
	files       []string // that hold it; set before it is shown as text
}

// Add collects the certificates of a connection. It keeps nothing else of it.
func (k *Certificates) Add(c *analysis.Connection) {
	if c.TLS == nil {
		return
	}
	for _, d := range [...]analysis.Direction{analysis.FromServer, analysis.FromClient} { // the server presents its own first
		m := &c.TLS.Certificates[d]
		for i, cert := range m.Chain {
			k.add(c, d, m, i, cert)
		}
	}
}

func (k *Certificates) add(c *analysis.Connection, d analysis.Direction, m *analysis.CertificateFacts, i int, cert *analysis.Certificate) {
	last := &k.last[d]
	if i == 0 && last.cert == cert && last.client == c.Client.Addr() && last.server == c.Server {
		k.found[last.index].again(m)
		return
	}
	n, ok := k.index[cert.SHA256]
	if !ok {
		if len(k.found) >= maxCertificates || k.bytes+len(cert.Raw) > maxCertificateBytes {
			k.Beyond++
			return
		}
		if k.index == nil {
			k.index = make(map[[sha256.Size]byte]int)
		}
		n = len(k.found)
		k.index[cert.SHA256] = n
		k.bytes += len(cert.Raw)
		k.found = append(k.found, foundCertificate{cert: cert, firstPacket: m.Packet, firstAt: m.At})
	}
	f := &k.found[n]
	f.again(m)
	f.by[d] = true
	f.leaf = f.leaf || i == 0
	f.servers = appendOnce(f.servers, c.Server, &f.more)
	if d == analysis.FromClient {
		f.clients = appendOnce(f.clients, c.Client.Addr(), &f.more)
	}
	if i == 0 {
		*last = lastChain{cert, c.Client.Addr(), c.Server, n}
	}
}

// again counts a presentation. Connections finish in another order than they start.
func (f *foundCertificate) again(m *analysis.CertificateFacts) {
	f.count++
	if m.Packet < f.firstPacket {
		f.firstPacket, f.firstAt = m.Packet, m.At
	}
}

// appendOnce adds v to a short list, if there is room.
func appendOnce[T comparable](list []T, v T, more *bool) []T {
	switch {
	case slices.Contains(list, v):
		return list
	case len(list) >= maxPresentedAt:
		*more = true
		return list
	}
	return append(list, v)
}

// appendJSON appends a line of type "certificate", without the end of the line.
func (f *foundCertificate) appendJSON(b []byte, files *pki.Store) []byte {
	b = append(b, `{"type":"certificate","schema":1,`...)
	b = appendCertificateFields(b, f.cert, `,"more_names":`)
	b = appendFiles(b, files, f.cert)
	b = append(b, `,"presented_by":[`...)
	for d, by := range f.by {
		if !by {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = appendName(b, analysis.Direction(d).String())
	}
	b = append(b, `],"servers":[`...)
	for i, s := range f.servers {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAddrPort(b, s)
	}
	b = append(b, `],"clients":[`...)
	for i, a := range f.clients {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAddr(b, a)
	}
	b = appendBool(append(b, `],"more":`...), f.more)
	b = appendBool(append(b, `,"leaf":`...), f.leaf)
	b = appendInt(append(b, `,"count":`...), f.count)
	b = appendPacket(append(b, `,"first_packet":`...), f.firstPacket)
	return append(appendTime(append(b, `,"first_at":`...), f.firstAt), '}')
}

// appendFiles appends the files that hold a certificate, where there is a PKI to look in.
func appendFiles(b []byte, files *pki.Store, c *analysis.Certificate) []byte {
	if files == nil {
		return b
	}
	return appendStrings(append(b, `,"files":`...), fileNames(files, c))
}

// fileNames are the files that hold a certificate: each once, however often it is in there, and the first maxFiles of them.
func fileNames(files *pki.Store, c *analysis.Certificate) []string {
	var names []string
	for _, f := range files.Find(c.SHA256) { // a file's certificates are together
		if n := len(names); n > 0 && names[n-1] == f.File {
			continue
		} else if n == maxFiles {
			break
		}
		names = append(names, f.File)
	}
	return names
}
