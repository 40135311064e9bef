// Package pki knows the certificates that a deployment keeps in files, so that a certificate on the wire can be named by its
// file, and compared with what that file holds now.
//
// It gets names and bytes, and reads certificates and revocation lists only: the block of a private key is passed over without
// being decoded. It does no I/O, has no clock, and every input may be hostile: what is kept and what is computed is bounded.
package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"time"
)

// Bounds of a Store. The PKI of a control-plane node has some twenty files.
const (
	MaxFileBytes  = 1 << 20  // of one file: a bundle of all public CAs has 220 KiB
	maxFiles      = 512      // files with a certificate or a list in them
	maxStored     = 1024     // certificates
	maxDER        = 64 << 10 // of one certificate; crypto/tls takes no handshake message above 64 KiB either
	maxSANs       = 1024     // names of one certificate; more make comparing them a burden and no cluster has as many members
	maxSkipped    = 64       // files or blocks of which it is remembered why they were not used
	maxVerdicts   = 4096     // signatures whose check is remembered before all are forgotten
	maxCandidates = 8        // CAs of one name that a signature is tried with
	maxRSABits    = 8192     // keys that signatures are checked with, crypto/tls' own limit (checkKeySize): beyond, time is the attacker's
)

// File is a file of a PKI as it was read. Data is not kept: of certificates a copy is.
type File struct {
	Name    string
	ModTime time.Time // zero when unknown
	Data    []byte
}

// Certificate is a certificate in a file. It is immutable.
type Certificate struct {
	File    string
	ModTime time.Time // of the file; zero when unknown
	Index   int       // place in the file: 0 is the leaf, or a CA bundle's first
	Role    Role
	SHA256  [sha256.Size]byte
	X509    *x509.Certificate // never nil
}

// CRL is a certificate revocation list in a file. Its contents are not read.
type CRL struct {
	File string
	PEM  bool // etcd 3.6 and later read DER only
}

// Skipped is what was not used, and why.
type Skipped struct {
	File string
	Why  string
}

// Store is the certificates of a PKI. The zero value is empty and ready. It is not safe for concurrent use: it remembers the
// signatures it has checked.
type Store struct {
	certs    []*Certificate
	files    map[string][]*Certificate // by name, in the order of the file
	sums     map[[sha256.Size]byte][]*Certificate
	subjects map[string][]*Certificate // by raw subject
	crls     []CRL
	skipped  []Skipped
	beyond   int
	verdicts map[[sha256.Size]byte]signature
}

// Add reads a file. What it does not hold, or cannot be read, is told by Skipped.
func (s *Store) Add(f File) {
	if s.files == nil {
		s.files, s.sums = make(map[string][]*Certificate), make(map[[sha256.Size]byte][]*Certificate)
		s.subjects, s.verdicts = make(map[string][]*Certificate), make(map[[sha256.Size]byte]signature)
	}
	switch {
	case s.files[f.Name] != nil:
		return
	case len(s.files)+len(s.crls) >= maxFiles:
		s.skip(f.Name, fmt.Sprintf("more than %d files: name a directory that holds etcd's certificates only", maxFiles))
		return
	case len(f.Data) > MaxFileBytes:
		s.skip(f.Name, fmt.Sprintf("has %d bytes, expected at most %d in a file of certificates", len(f.Data), MaxFileBytes))
		return
	}
	n := len(s.certs) + len(s.crls) + len(s.skipped) + s.beyond
	forEachBlock(f.Data, func(kind blockKind, der []byte) {
		switch kind {
		case blockCertificate:
			s.certificate(f, der)
		case blockPEMCRL, blockDERCRL:
			s.crls = append(s.crls, CRL{File: f.Name, PEM: kind == blockPEMCRL})
		case blockBroken:
			s.skip(f.Name, "holds a damaged block where a certificate was expected; check it with: openssl x509 -noout -in FILE")
		}
	})
	if n == len(s.certs)+len(s.crls)+len(s.skipped)+s.beyond {
		s.skip(f.Name, "holds no certificate")
	}
}

// certificate adds one, if it can be read and there is room.
func (s *Store) certificate(f File, der []byte) {
	switch {
	case len(s.certs) >= maxStored:
		s.skip(f.Name, fmt.Sprintf("more than %d certificates", maxStored))
		return
	case len(der) > maxDER:
		s.skip(f.Name, fmt.Sprintf("a certificate of %d bytes, expected at most %d", len(der), maxDER))
		return
	}
	der = append([]byte(nil), der...)
	x, err := x509.ParseCertificate(der)
	if err != nil {
		s.skip(f.Name, "a certificate that does not parse: "+err.Error())
		return
	}
	if n := len(x.DNSNames) + len(x.IPAddresses) + len(x.URIs) + len(x.EmailAddresses); n > maxSANs {
		s.skip(f.Name, fmt.Sprintf("a certificate for %d names, expected at most %d", n, maxSANs))
		return
	}
	c := &Certificate{File: f.Name, ModTime: f.ModTime, Index: len(s.files[f.Name]), SHA256: sha256.Sum256(der), X509: x}
	c.Role = roleOf(f.Name, c.Index, x)
	if c.Role == RoleIntermediate && s.files[f.Name][0].Role.CA() { // a bundle
		c.Role = s.files[f.Name][0].Role
	}
	s.certs = append(s.certs, c)
	s.files[f.Name] = append(s.files[f.Name], c)
	subject := string(x.RawSubject)
	s.subjects[subject] = append(s.subjects[subject], c)
	s.sums[c.SHA256] = append(s.sums[c.SHA256], c)
}

func (s *Store) skip(name, why string) {
	if len(s.skipped) >= maxSkipped {
		s.beyond++
		return
	}
	s.skipped = append(s.skipped, Skipped{name, why})
}

// Certificates is all that was read, in the order in which files were added. The slice is the Store's.
func (s *Store) Certificates() []*Certificate {
	if s == nil {
		return nil
	}
	return s.certs
}

// Skipped is what was not used and why; more is how many reasons were not kept.
func (s *Store) Skipped() (list []Skipped, more int) {
	if s == nil {
		return nil, 0
	}
	return s.skipped, s.beyond
}

// Find is where the certificate with the SHA-256 digest of its DER is held, in the order of the files; nil when no file holds it.
func (s *Store) Find(sum [sha256.Size]byte) []*Certificate {
	if s == nil {
		return nil
	}
	return s.sums[sum]
}

// Missing notes a file that the configuration names and that is not there, or cannot be read.
func (s *Store) Missing(name, why string) { s.skip(name, why) }

// ByRole is the leaf certificates, or the CAs, of a role, in the order of their files.
func (s *Store) ByRole(r Role) []*Certificate {
	var out []*Certificate
	for _, c := range s.Certificates() {
		if c.Role == r && (c.Index == 0 || r.CA()) {
			out = append(out, c)
		}
	}
	return out
}

// CRL is the revocation list in the named file; found is false when it was not read, or is none.
func (s *Store) CRL(name string) (c CRL, found bool) {
	if s == nil {
		return CRL{}, false
	}
	for _, c := range s.crls {
		if samePath(c.File, name) {
			return c, true
		}
	}
	return CRL{}, false
}
