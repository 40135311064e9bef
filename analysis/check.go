package analysis

import (
	"cmp"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/pki"
)

// Check is a deployment held against itself: its certificates, its configuration, and what is wrong with either, without any capture.
type Check struct {
	At           time.Time // the moment that validity is judged at
	Source       string    // the configuration's file; "" when there is none
	Certificates []CheckedCertificate
	Findings     []Finding // most severe first; their evidence names the file
	Skipped      []pki.Skipped
	MoreSkipped  int // reasons that were not kept
}

// CheckedCertificate is a certificate in a file.
type CheckedCertificate struct {
	*Certificate
	File       string
	Index      int // place in the file
	Role       pki.Role
	Configured []string   // the flags that name the file
	Issued     pki.Issuer // how it stands to the CAs in the files
	IssuerFile string     // the file of the CA that signed it, or of the one of that name that did not; "" when there is none
	Left       time.Duration
	Worst      Severity // of its findings; valid iff Problems > 0
	Problems   int      // findings about it of weight Warning and Error
}

// NewCheck judges the PKI and the configuration in x, either of which may be missing, as they stand at a time.
func NewCheck(x *Expectations, at time.Time) *Check {
	k := &checker{Check: &Check{At: at}, store: x.PKI, deployment: x.Deployment}
	k.Skipped, k.MoreSkipped = x.PKI.Skipped()
	if k.deployment != nil {
		k.Source = k.deployment.Source
		k.configuration()
	}
	for _, c := range x.PKI.Certificates() {
		k.certificate(c)
	}
	slices.SortStableFunc(k.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Confidence, a.Confidence))
	})
	return k.Check
}

// Count is the number of findings of a weight.
func (k *Check) Count(s Severity) int {
	n := 0
	for i := range k.Findings {
		if k.Findings[i].Severity == s {
			n++
		}
	}
	return n
}

// checker is a check being made.
type checker struct {
	*Check
	store      *pki.Store
	deployment *deploy.Deployment
	current    *CheckedCertificate // the one being judged; nil while the configuration is
}

// add makes a finding from its page; file is what it is about.
func (k *checker) add(code Code, c Confidence, file, meaning string) *Finding {
	cause, _ := CauseOf(code)
	f := Finding{Code: code, Severity: cause.Severity, Confidence: c, AtFault: cause.AtFault, Title: cause.Title, Meaning: meaning, Fix: k.fixes(cause, file)}
	if file != "" {
		f.Evidence = append(f.Evidence, Evidence{Text: brief(file)})
	}
	k.Findings = append(k.Findings, f)
	if k.current != nil {
		k.current.Problems++
		k.current.Worst = max(k.current.Worst, f.Severity)
	}
	return &k.Findings[len(k.Findings)-1]
}

// fixes puts the file at hand, and this member's own address, into the catalogue's commands.
func (k *checker) fixes(cause Cause, file string) []string {
	host := "127.0.0.1"
	if k.deployment != nil {
		for _, u := range slices.Concat(k.deployment.AdvertiseClient, k.deployment.ListenClient) {
			if a, ok := u.Addr(); ok {
				host = a.String()
				break
			}
		}
	}
	r := []string{"HOST", host}
	if file != "" && strings.IndexFunc(file, needsQuotes) < 0 && strings.HasSuffix(file, ".crt") {
		for _, name := range [...]string{"/etc/kubernetes/pki/etcd/server.crt", "/etc/kubernetes/pki/etcd/peer.crt", "client.crt", "server.crt"} {
			r = append(r, "-in "+name+" ", "-in "+file+" ")
		}
	}
	replace := strings.NewReplacer(r...)
	var out []string
	if k.current != nil {
		out = renewal(cause.Code, k.current)
	}
	for _, s := range cause.Fixes {
		out = append(out, replace.Replace(s))
	}
	return out
}

// needsQuotes reports whether a shell would take the character for something else.
func needsQuotes(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:", r))
}

// renewal is the one command that renews a certificate of kubeadm's, where there is one.
func renewal(code Code, c *CheckedCertificate) []string {
	if code != CodeCertExpiresSoon && code != CodeServerCertExpired && code != CodeClientCertExpired && code != CodeCARegenerated || !strings.HasPrefix(c.File, "/etc/kubernetes/pki/") {
		return nil
	}
	name, after := "", ""
	switch c.Role {
	case pki.RoleServer:
		name = "etcd-server"
	case pki.RolePeer:
		name = "etcd-peer"
	case pki.RoleHealthcheck:
		name = "etcd-healthcheck-client"
	case pki.RoleAPIServer:
		name, after = "apiserver-etcd-client", ", then restart kube-apiserver"
	default:
		return nil
	}
	return []string{"Renew it" + after + ": `kubeadm certs renew " + name + "`"}
}

// certificate judges one certificate.
func (k *checker) certificate(c *pki.Certificate) {
	checked := CheckedCertificate{Certificate: &Certificate{Raw: c.X509.Raw, SHA256: c.SHA256, X509: c.X509, Subject: nameOf(&c.X509.Subject, c.X509.RawSubject), Issuer: nameOf(&c.X509.Issuer, c.X509.RawIssuer)},
		File: c.File, Index: c.Index, Role: c.Role, Left: c.X509.NotAfter.Sub(k.At)}
	checked.Configured = k.configuredAs(c)
	if c.Index == 0 && (c.Role == pki.RoleOther || c.Role == pki.RoleOtherCA) {
		checked.Role = roleByFlag(checked.Configured, c.Role)
	}
	issuer, ca := k.store.IssuerOf(c.X509)
	checked.Issued = issuer
	if ca != nil {
		checked.IssuerFile = ca.File
	}
	k.current = &checked
	k.validity()
	k.usage()
	if !checked.Role.CA() {
		k.issuer(c)
		k.configured(c)
	}
	k.current = nil
	k.Certificates = append(k.Certificates, checked)
}

// flag is a setting that names a file of certificates.
type flag struct {
	name, file string
	role       pki.Role
}

func (k *checker) flags() []flag {
	d := k.deployment
	if d == nil {
		return nil
	}
	return []flag{
		{"--cert-file", d.Client.CertFile, pki.RoleServer},
		{"--client-cert-file", d.Client.ClientCertFile, pki.RoleClient},
		{"--trusted-ca-file", d.Client.TrustedCAFile, pki.RoleCA},
		{"--peer-cert-file", d.Peer.CertFile, pki.RolePeer},
		{"--peer-client-cert-file", d.Peer.ClientCertFile, pki.RolePeer},
		{"--peer-trusted-ca-file", d.Peer.TrustedCAFile, pki.RolePeerCA},
	}
}

func (k *checker) configuredAs(c *pki.Certificate) []string {
	var out []string
	for _, f := range k.flags() {
		if slices.Contains(k.store.ByFile(f.file), c) {
			out = append(out, f.name)
		}
	}
	return out
}

// roleByFlag is the role that the configuration gives to a file, where its name gives none.
func roleByFlag(flags []string, otherwise pki.Role) pki.Role {
	switch {
	case slices.Contains(flags, "--cert-file"):
		return pki.RoleServer
	case slices.Contains(flags, "--peer-cert-file"):
		return pki.RolePeer
	case slices.Contains(flags, "--client-cert-file"):
		return pki.RoleClient
	case slices.Contains(flags, "--trusted-ca-file"):
		return pki.RoleCA
	case slices.Contains(flags, "--peer-trusted-ca-file"):
		return pki.RolePeerCA
	}
	return otherwise
}

// name is the certificate in a sentence.
func (c *CheckedCertificate) name() string {
	return brief(c.File) + " (" + brief(c.Subject) + ")"
}

// validity judges dates and strength.
func (k *checker) validity() {
	c := k.current
	code := CodeServerCertExpired
	if c.Role.Client() {
		code = CodeClientCertExpired
	}
	what := ""
	if c.Role.CA() {
		what = "; it is a CA, and with it everything that it signed is refused"
	}
	switch {
	case k.At.Before(c.X509.NotBefore):
		k.add(code, Certain, c.File, c.name()+" is valid only from "+day(c.X509.NotBefore)+", "+span(c.X509.NotBefore.Sub(k.At))+" from now: a clock is wrong, or it is too new"+what)
	case c.Left < 0:
		k.add(code, Certain, c.File, c.name()+" expired on "+day(c.X509.NotAfter)+", "+span(-c.Left)+" ago"+what)
	case c.Left < expiresSoon:
		k.add(CodeCertExpiresSoon, Certain, c.File, c.name()+" expires on "+day(c.X509.NotAfter)+", in "+span(c.Left))
	}
	if text := weakness(c.X509); text != "" {
		k.add(CodeWeakCertificate, Certain, c.File, c.name()+" is weak: "+text)
	}
}

// usage judges what a leaf is allowed to do.
func (k *checker) usage() {
	c := k.current
	asServer := c.Role == pki.RoleServer || c.Role == pki.RolePeer || c.Role == pki.RoleMetrics
	if asServer && !allows(c.X509, x509.ExtKeyUsageServerAuth) {
		k.add(CodeServerCertKeyUsage, Certain, c.File, c.name()+" has the extended key usage "+usages(c.X509)+", and servers need serverAuth")
	}
	if (c.Role.Client() || c.Role == pki.RolePeer) && !allows(c.X509, x509.ExtKeyUsageClientAuth) {
		k.add(CodeClientCertKeyUsage, Certain, c.File, c.name()+" has the extended key usage "+usages(c.X509)+", and clients, which members are to each other, need clientAuth")
	}
	if slices.Contains(c.Configured, "--cert-file") && gatewayRefused(k.deployment, &k.deployment.Client, c.X509) {
		confidence, refused := refusal(k.deployment)
		k.add(CodeServerCertNoClientAuth, confidence, c.File, c.name()+" has the extended key usage "+usages(c.X509)+refused)
	}
}

// issuer checks the signature with the CAs in the files, and with those that etcd trusts.
func (k *checker) issuer(c *pki.Certificate) {
	role := k.current.Role
	if role == pki.RoleOther || c.Index > 0 {
		return
	}
	if k.current.Issued == pki.IssuerRegenerated {
		k.add(CodeCARegenerated, Certain, c.File, k.current.name()+" names the issuer "+brief(k.current.Issuer)+", and the key of "+brief(k.current.IssuerFile)+
			", a CA of that very name, did not sign it: the CA was made anew")
		return
	}
	if k.deployment == nil || !role.Client() && role != pki.RolePeer {
		return
	}
	flag, file := "--trusted-ca-file", k.deployment.Client.TrustedCAFile
	if role == pki.RolePeer {
		flag, file = "--peer-trusted-ca-file", k.deployment.Peer.TrustedCAFile
	}
	trusted := k.store.ByFile(file)
	var chain []*x509.Certificate
	for _, x := range k.store.ByFile(c.File) {
		chain = append(chain, x.X509)
	}
	if len(trusted) == 0 || pki.IssuerIn(trusted, chain...) == pki.IssuerKnown {
		return
	}
	k.add(CodeClientCertUntrusted, Certain, c.File, k.current.name()+" was issued by "+brief(k.current.Issuer)+", and "+flag+" "+brief(file)+" holds "+brief(nameOf(&trusted[0].X509.Subject, trusted[0].X509.RawSubject))+
		": etcd refuses it")
}

// configured compares a file with what the configuration uses it for.
func (k *checker) configured(c *pki.Certificate) {
	if k.deployment == nil || c.Index > 0 {
		return
	}
	for _, p := range [...]struct {
		flag     string
		endpoint Endpoint
	}{{"--cert-file", EndpointClient}, {"--peer-cert-file", EndpointPeer}} {
		if !slices.Contains(k.current.Configured, p.flag) {
			continue
		}
		if wrongFor(p.endpoint, []*pki.Certificate{c}) != nil && k.deployment.Client.CertFile != k.deployment.Peer.CertFile {
			k.add(CodeWrongCertForPort, Likely, c.File, p.flag+" is "+brief(c.File)+", which by its name is the "+c.Role.String()+"'s certificate")
		}
		if missing := missingHosts(c.X509, k.deployment, p.endpoint); len(missing) > 0 {
			k.add(CodeMemberMissingFromSANs, Certain, c.File, k.current.name()+" is valid for "+sans(c.X509)+", and not for "+briefly(missing)+
				", which "+brief(k.deployment.Source)+" names on the "+p.endpoint.String()+" port")
		}
	}
}
