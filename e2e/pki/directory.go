package pki

import (
	"crypto/x509"
	"fmt"
	"net"
	"time"
)

// year is how long kubeadm's leaf certificates are valid.
const year = 365 * 24 * time.Hour

// authorities are the issuers of one directory.
type authorities struct {
	etcd         *Authority // ca.crt: what kubeadm calls etcd-ca
	other        *Authority // another authority
	regenerated  *Authority // etcd-ca made anew: same name, new key
	intermediate *Authority // below etcd-ca
	ecdsa        *Authority // ecdsa/ca.crt
}

// leaf is one certificate of the directory.
type leaf struct {
	file   string
	issuer *Authority
	Request
}

// Write makes the directory's certificates and keys, valid as of now:
//
//	ca, server, peer, healthcheck-client, apiserver-etcd-client    as kubeadm makes them in /etc/kubernetes/pki/etcd
//	cp-2/server, cp-2/peer                                         a second member's
//	bad/other-ca, bad/other-client                                 of another authority
//	bad/expired-client, bad/expired-server                         expired yesterday
//	bad/server-auth-client                                         serverAuth only, shown as a client's
//	bad/no-intermediate-client                                     issued by an authority below ca, which is not sent
//	bad/regenerated-client                                         issued by an authority with ca's name and another key
//	bad/wrong-name-server                                          for another host
//	bad/elsewhere-peer                                             for a peer at another address
//	ecdsa/ca, ecdsa/server, ecdsa/peer, ecdsa/client               a set with P-256 keys
func Write(dir string, now time.Time) error {
	issuers, err := newAuthorities(now.Add(-time.Hour))
	if err != nil {
		return err
	}
	for file, authority := range map[string]*Authority{
		"ca": issuers.etcd, "bad/other-ca": issuers.other, "bad/intermediate": issuers.intermediate, "ecdsa/ca": issuers.ecdsa,
	} {
		if err := (*Pair)(authority).write(dir, file); err != nil {
			return fmt.Errorf("writing %s: %w", file, err)
		}
	}
	for _, l := range leaves(issuers, now) {
		pair, err := l.issuer.Issue(l.Request)
		if err != nil {
			return err
		}
		if err := pair.write(dir, l.file); err != nil {
			return fmt.Errorf("writing %s: %w", l.file, err)
		}
	}
	return nil
}

func newAuthorities(notBefore time.Time) (a authorities, err error) {
	for _, made := range []struct {
		to   **Authority
		name string
		key  KeyKind
	}{
		{&a.etcd, "etcd-ca", RSA2048},
		{&a.other, "other-ca", RSA2048},
		{&a.regenerated, "etcd-ca", RSA2048},
		{&a.ecdsa, "etcd-ca", ECDSAP256},
	} {
		if *made.to, err = NewAuthority(made.name, made.key, notBefore); err != nil {
			return a, err
		}
	}
	a.intermediate, err = a.etcd.Intermediate("etcd-intermediate-ca", RSA2048)
	return a, err
}

func leaves(a authorities, now time.Time) []leaf {
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	second := []net.IP{net.IPv4(127, 0, 0, 2), net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	elsewhere := []net.IP{net.IPv4(192, 0, 2, 77)}
	from, to := now.Add(-time.Hour), now.Add(year)

	host := func(name string, addresses []net.IP) Request {
		return Request{name, []string{name, "localhost"}, addresses, both, from, to, RSA2048}
	}
	user := func(name string, usages []x509.ExtKeyUsage) Request {
		return Request{CommonName: name, Usages: usages, NotBefore: from, NotAfter: to}
	}
	expired := func(r Request) Request {
		r.NotBefore, r.NotAfter = now.Add(-24*time.Hour-year), now.Add(-24*time.Hour)
		return r
	}
	curve := func(r Request) Request {
		r.Key = ECDSAP256
		return r
	}
	healthcheck := user("kube-etcd-healthcheck-client", client)
	cp1 := host("cp-1", loopback)
	return []leaf{
		{"server", a.etcd, cp1},
		{"peer", a.etcd, cp1},
		{"healthcheck-client", a.etcd, healthcheck},
		{"apiserver-etcd-client", a.etcd, user("kube-apiserver-etcd-client", client)},
		{"cp-2/server", a.etcd, host("cp-2", second)},
		{"cp-2/peer", a.etcd, host("cp-2", second)},
		{"bad/other-client", a.other, healthcheck},
		{"bad/expired-client", a.etcd, expired(healthcheck)},
		{"bad/expired-server", a.etcd, expired(cp1)},
		{"bad/server-auth-client", a.etcd, user("kube-etcd-healthcheck-client", server)},
		{"bad/no-intermediate-client", a.intermediate, healthcheck},
		{"bad/regenerated-client", a.regenerated, healthcheck},
		{"bad/wrong-name-server", a.etcd, Request{"cp-9", []string{"cp-9"}, elsewhere, both, from, to, RSA2048}},
		{"bad/elsewhere-peer", a.etcd, Request{"cp-9", nil, elsewhere, both, from, to, RSA2048}},
		{"ecdsa/server", a.ecdsa, curve(cp1)},
		{"ecdsa/peer", a.ecdsa, curve(cp1)},
		{"ecdsa/client", a.ecdsa, curve(healthcheck)},
	}
}
