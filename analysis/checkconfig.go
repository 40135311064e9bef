package analysis

import (
	"path"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/deploy"
)

// configuration judges what needs no certificate: URLs, client authentication, lists and files that are not there.
func (k *checker) configuration() {
	d := k.deployment
	for _, p := range httpURLs(d) {
		k.add(CodeHTTPURLOnTLSPort, Certain, d.Source, p.flag+" announces "+brief(p.url.Text)+", and the port "+itoa(int(p.url.Port))+" speaks TLS")
	}
	k.port(EndpointClient, "--listen-client-urls", d.ListenClient)
	k.port(EndpointPeer, "--listen-peer-urls", d.ListenPeer)
	k.missingFiles()
	k.parameters()
}

// port judges one of the two ports.
func (k *checker) port(e Endpoint, listen string, urls []deploy.URL) {
	d, t := k.deployment, transportOf(k.deployment, e)
	withTLS := false
	for _, u := range urls {
		withTLS = withTLS || u.TLS()
		if u.Scheme == "http" && t.TLS() {
			f := k.add(CodeHTTPURLOnTLSPort, Certain, d.Source, listen+" has "+brief(u.Text)+" and "+flagOf(e, "cert-file")+" is set: etcd ignores the certificate there and speaks plaintext")
			f.Severity, f.Title = Warning, "A certificate is configured for a port without TLS"
		}
	}
	if withTLS && t.TLS() && !wantsClientCert(t) {
		k.add(CodeClientAuthNotRequested, Certain, d.Source, "the "+e.String()+" port has TLS and neither "+flagOf(e, "client-cert-auth")+" nor "+flagOf(e, "trusted-ca-file")+
			" is set: everybody who reaches it may connect")
	}
	if t.CRLFile == "" {
		return
	}
	flag := "--client-crl-file"
	if e == EndpointPeer {
		flag = "--peer-crl-file"
	}
	crl, found := k.store.CRL(t.CRLFile)
	switch {
	case !found || !crl.PEM:
	case d.Version.AtLeast(3, 6):
		k.add(CodeCRLUnreadable, Certain, t.CRLFile, flag+" "+brief(t.CRLFile)+" is in PEM form, and etcd "+d.Version.String()+" reads DER only: it refuses every certificate")
	case !d.Version.Known():
		f := k.add(CodeCRLUnreadable, Possible, t.CRLFile, flag+" "+brief(t.CRLFile)+" is in PEM form: etcd up to 3.5 reads it, etcd 3.6 and later read DER only and refuse every certificate")
		f.Severity = Warning
	}
}

// missingFiles are those that the configuration names and that could not be read.
func (k *checker) missingFiles() {
	gone := map[string]string{}
	for _, s := range k.Skipped {
		gone[s.File] = s.Why
	}
	flags := append(k.flags(), flag{name: "--client-crl-file", file: k.deployment.Client.CRLFile}, flag{name: "--peer-crl-file", file: k.deployment.Peer.CRLFile})
	for _, f := range flags {
		why, found := gone[f.file]
		if !found || f.file == "" || k.store.ByFile(f.file) != nil || strings.Contains(why, "permission denied") { // to us, perhaps not to etcd
			continue
		}
		code := CodeServerCertUnreadable
		if f.role == 0 {
			if _, isCRL := k.store.CRL(f.file); isCRL {
				continue
			}
			code = CodeCRLUnreadable
		}
		problem := k.add(code, Certain, f.file, f.name+" is "+brief(f.file)+", which "+brief(why))
		problem.Fix = []string{"Put the file in place, or correct " + f.name + ": etcd reads it at its start, or anew for each handshake",
			"See what is there, and whether etcd's user may read it: `ls -l " + shellQuote(path.Dir(f.file)) + "`"}
	}
}

// shellQuote makes a word of a file's name that can be pasted.
func shellQuote(s string) string {
	if strings.IndexFunc(s, needsQuotes) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(brief(s), "'", `'\''`) + "'"
}
