package analysis

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// transport is the configuration of the connection's port; ok is false when there is none, or it is about another member. An
// address that the configuration does not tell from others counts as its own, sure being false.
func (v *view) transport() (t *deploy.Transport, sure, ok bool) {
	if v.expect.Deployment == nil || v.endpoint != EndpointClient && v.endpoint != EndpointPeer {
		return nil, false, false
	}
	where := v.placeOf(FromServer)
	return transportOf(v.expect.Deployment, v.endpoint), where == placeHome, where != placeElsewhere
}

func transportOf(d *deploy.Deployment, e Endpoint) *deploy.Transport {
	if e == EndpointPeer {
		return &d.Peer
	}
	return &d.Client
}

// wantsClientCert reports whether etcd demands certificates: one of the two settings is enough (client/pkg/transport/listener.go,
// ServerConfig).
func wantsClientCert(t *deploy.Transport) bool {
	return t.TLS() && (t.ClientCertAuth || t.TrustedCAFile != "")
}

// notTheConfiguredCertificate: the file of --cert-file holds another one.
func (v *view) notTheConfiguredCertificate() {
	t, sure, ok := v.transport()
	leaf := v.leafOf(FromServer)
	if !ok || !sure || leaf == nil || v.has(CodeRenewedCertNotLoaded) {
		return
	}
	file := v.expect.PKI.ByFile(t.CertFile)
	if len(file) == 0 || file[0].SHA256 == leaf.SHA256 {
		return
	}
	confidence := Likely
	text := "the server presents " + brief(leaf.Subject) + ", issued by " + brief(leaf.Issuer) + ", and " + flagOf(v.endpoint, "cert-file") + " is " + brief(t.CertFile) +
		", which holds " + brief(nameOf(&file[0].X509.Subject, file[0].X509.RawSubject)) + ", issued by " + brief(nameOf(&file[0].X509.Issuer, file[0].X509.RawIssuer))
	if changedSince(file[0], v.f.TLS.Certificates[FromServer].At) {
		confidence, text = Possible, text+"; that file was changed after this connection"
	}
	v.sawCertificate(v.add(CodeNotTheConfiguredCert, confidence, text), FromServer)
}

// flagOf is the name of a port's flag.
func flagOf(e Endpoint, name string) string {
	if e == EndpointPeer {
		return "--peer-" + name
	}
	return "--" + name
}

// clientAuthNotRequested: a full handshake without a CertificateRequest where one is configured.
func (v *view) clientAuthNotRequested() {
	t, sure, ok := v.transport()
	if !ok || !wantsClientCert(t) || v.result != OutcomeEstablished || v.f.TLS == nil || v.f.TLS.Resumed {
		return
	}
	confidence := Certain
	hidden := v.f.TLS.CertificateRequest.Visibility == Hidden && v.f.TLS.Version == tlswire.VersionTLS13
	switch {
	case hidden && v.shape.Requested == No:
		confidence = Likely
	case hidden, v.f.TLS.CertificateRequest.Visibility != Absent:
		return
	}
	if !sure {
		confidence = min(confidence, Possible)
	}
	text := "the configuration (" + brief(v.expect.Deployment.Source) + ") demands client certificates on the " + v.endpoint.String() + " port, and the server did not ask for one"
	if hidden {
		text += ", as the lengths of its encrypted records show"
	}
	f := v.add(CodeClientAuthNotRequested, confidence, text)
	f.saw(FromServer, v.f.TLS.ServerHelloAt.Packet, v.f.TLS.ServerHelloAt.At, "the server's part of the handshake has no CertificateRequest")
}

// httpURLOnTLSPort: plaintext came to a TLS port that the configuration announces with http://.
func (v *view) httpURLOnTLSPort() {
	if v.expect.Deployment == nil || !v.has(CodePlaintextToTLS) {
		return
	}
	for _, p := range httpURLs(v.expect.Deployment) {
		if p.url.Port != v.f.Server.Port() {
			continue
		}
		f := v.add(CodeHTTPURLOnTLSPort, Likely, "the client spoke plaintext as "+brief(p.url.Text)+" in "+p.flag+" ("+brief(v.expect.Deployment.Source)+") tells it to")
		s := &v.f.Stream[FromClient]
		f.saw(FromClient, s.FirstPacket, s.FirstAt, "the first bytes are not TLS")
		return
	}
}

// announced is a URL in the configuration and where it stands.
type announced struct {
	url  deploy.URL
	flag string
}

// httpURLs are the URLs with http:// for ports that have TLS: announced ones whose port is listened on with https://, and
// listening ones that have a certificate configured, which etcd then ignores (embed/etcd.go, "scheme is HTTP while key and cert
// files are present").
func httpURLs(d *deploy.Deployment) []announced {
	var out []announced
	withTLS := func(listen []deploy.URL, port uint16) bool {
		return slices.ContainsFunc(listen, func(u deploy.URL) bool { return u.TLS() && u.Port == port })
	}
	for _, l := range [...]struct {
		flag         string
		urls, listen []deploy.URL
	}{
		{"--advertise-client-urls", d.AdvertiseClient, d.ListenClient},
		{"--initial-advertise-peer-urls", d.AdvertisePeer, d.ListenPeer},
		{"--initial-cluster", memberURLs(d), d.ListenPeer},
	} {
		for _, u := range l.urls {
			if u.Scheme == "http" && withTLS(l.listen, u.Port) {
				out = append(out, announced{u, l.flag})
			}
		}
	}
	return out
}

// memberURLs are this member's in initial-cluster.
func memberURLs(d *deploy.Deployment) []deploy.URL {
	var out []deploy.URL
	for _, m := range d.InitialCluster {
		if m.Name == d.Name {
			out = append(out, m.URL)
		}
	}
	return out
}

// memberMissingFromSANs: the certificate presented lacks an address that the configuration gives the member.
func (v *view) memberMissingFromSANs() {
	d, leaf := v.expect.Deployment, v.leafOf(FromServer)
	if d == nil || leaf == nil || v.endpoint != EndpointClient && v.endpoint != EndpointPeer || len(leaf.X509.DNSNames)+len(leaf.X509.IPAddresses) > maxComparedSANs {
		return
	}
	var missing []string
	switch v.placeOf(FromServer) {
	case placeHome:
		missing = missingHosts(leaf.X509, d, v.endpoint)
	case placeElsewhere:
		addr := v.f.Server.Addr().Unmap()
		for _, m := range d.InitialCluster {
			if a, ok := m.URL.Addr(); ok && a == addr && v.endpoint == EndpointPeer && !hasIP(leaf.X509, addr) {
				missing = []string{m.Name + " (" + m.URL.Host + ")"}
			}
		}
	}
	if len(missing) == 0 {
		return
	}
	f := v.add(CodeMemberMissingFromSANs, Certain, "the server's certificate "+brief(leaf.Subject)+" is valid for "+sans(leaf.X509)+", and not for "+briefly(missing)+
		", which the configuration ("+brief(d.Source)+") names")
	if v.result == OutcomeEstablished {
		f.Severity = Warning
	}
	v.sawCertificate(f, FromServer)
}

// maxComparedSANs bounds the names of a certificate from the wire that the members are looked up in: one of 64 KiB can have ten
// thousand, and the cluster 64 members.
const maxComparedSANs = 1024

// missingHosts are the hosts that a port's certificate of this member ought to have and has not: those that it announces there, and,
// where one certificate serves several members, those of all.
func missingHosts(c *x509.Certificate, d *deploy.Deployment, e Endpoint) []string {
	var want []string
	urls := d.AdvertiseClient
	if e == EndpointPeer {
		urls = slices.Concat(d.AdvertisePeer, memberURLs(d))
	}
	for _, u := range urls {
		want = append(want, u.Host)
	}
	if e == EndpointPeer && slices.ContainsFunc(d.InitialCluster, func(m deploy.Member) bool {
		return m.Name != d.Name && m.URL.Host != "" && !slices.Contains(want, m.URL.Host) && validFor(c, m.URL.Host)
	}) {
		for _, m := range d.InitialCluster {
			want = append(want, m.URL.Host)
		}
	}
	var missing []string
	for _, host := range want {
		if host != "" && !slices.Contains(missing, host) && !isWildcard(host) && !validFor(c, host) {
			missing = append(missing, host)
		}
	}
	return missing
}

// isWildcard reports whether a host stands for any address, or was left for a shell to fill in.
func isWildcard(host string) bool {
	return host == "0.0.0.0" || host == "::" || slices.ContainsFunc([]byte(host), func(c byte) bool { return c == '$' || c == '{' })
}

// serverCertWithoutClientAuth: what the grpc-gateway would present to its own etcd.
func (v *view) serverCertWithoutClientAuth() {
	t, sure, ok := v.transport()
	leaf := v.leafOf(FromServer)
	if !ok || !sure || leaf == nil || v.endpoint != EndpointClient || !gatewayRefused(v.expect.Deployment, t, leaf.X509) {
		return
	}
	confidence, refused := refusal(v.expect.Deployment)
	f := v.add(CodeServerCertNoClientAuth, confidence, "the server's certificate "+brief(leaf.Subject)+" has the extended key usage "+usages(leaf.X509)+refused)
	v.sawCertificate(f, FromServer)
}

// refusal says what becomes of a grpc-gateway that etcd refuses, and how sure it is that there is one (embed/config.go, NewConfig).
func refusal(d *deploy.Deployment) (Confidence, string) {
	const refused = "; etcd's grpc-gateway presents it as a client, and etcd demands clientAuth of clients"
	if d.Kind != deploy.KindConfigFile || d.GatewaySet || d.Version.AtLeast(3, 5) {
		return Certain, refused
	}
	return Likely, refused + ". Before 3.5 etcd has a grpc-gateway only where its configuration file says enable-grpc-gateway"
}

// gatewayRefused reports whether etcd would refuse its own grpc-gateway.
func gatewayRefused(d *deploy.Deployment, t *deploy.Transport, c *x509.Certificate) bool {
	return d.EnableGRPCGateway && wantsClientCert(t) && t.ClientCertFile == "" && !allows(c, x509.ExtKeyUsageClientAuth)
}

// crlUnreadable: a revocation list in PEM explains every refusal by etcd 3.6 and later.
func (v *view) crlUnreadable() {
	t, sure, ok := v.transport()
	if !ok || !sure || t.CRLFile == "" || v.result != OutcomeRejectedByServer || !v.hasAny(lateRefusals[:]) {
		return
	}
	crl, found := v.expect.PKI.CRL(t.CRLFile)
	if !found || !crl.PEM || !v.expect.Deployment.Version.AtLeast(3, 6) {
		return
	}
	f := v.add(CodeCRLUnreadable, Likely, flagOf(v.endpoint, "crl-file")+" is in PEM form ("+brief(t.CRLFile)+"), etcd "+v.expect.Deployment.Version.String()+
		" reads DER only, and then refuses every certificate")
	f.saw(FromServer, 0, time.Time{}, brief(t.CRLFile)+" begins with -----BEGIN X509 CRL-----")
	v.sawClose(f, FromServer)
}

// lateRefusals are the findings that a list which cannot be read looks like on the wire.
var lateRefusals = [...]Code{CodePeerSANMismatch, CodeClientCertRefused, CodeClientCertRevoked, CodeClientCertNotAllowed}

// notAllowed: the names that the configuration allows settle what would be a guess.
func (v *view) notAllowed() {
	t, sure, ok := v.transport()
	leaf := v.leafOf(FromClient)
	if !ok || !sure || leaf == nil || v.result != OutcomeRejectedByServer || len(t.AllowedCN) == 0 || slices.Contains(t.AllowedCN, leaf.X509.Subject.CommonName) {
		return
	}
	for i := range v.found {
		if f := &v.found[i]; f.Code == CodeClientCertNotAllowed {
			f.Confidence = Likely
			f.Meaning = "the configuration (" + brief(v.expect.Deployment.Source) + ") allows the common name " + briefly(t.AllowedCN) + ", and " + v.clientSubject() + " has " + brief(leaf.X509.Subject.CommonName)
		}
	}
}
