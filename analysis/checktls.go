package analysis

import (
	"crypto/x509"
	"slices"
	"strings"

	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// tlsVersions are the values that --tls-min-version and --tls-max-version may have (client/pkg/tlsutil, versions.go).
var tlsVersions = [...]struct {
	name    string
	version tlswire.Version
}{{"TLS1.2", tlswire.VersionTLS12}, {"TLS1.3", tlswire.VersionTLS13}}

// versionNamed is the version that a setting means; false for one that etcd does not know.
func versionNamed(name string) (tlswire.Version, bool) {
	for _, v := range tlsVersions {
		if v.name == name {
			return v.version, true
		}
	}
	return 0, false
}

// suiteNamed is the suite that etcd takes a name for: those of crypto/tls, which are IANA's, and two older ones (client/pkg/tlsutil, cipher_suites.go).
func suiteNamed(name string) (tlswire.CipherSuite, bool) {
	switch name {
	case "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305":
		name += "_SHA256"
	}
	for _, s := range slices.Concat(goSuites13, goSuitesRSA, goSuitesECDSA, goTransport) {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// configuredSuites are those of --cipher-suites that etcd knows, and the names that it does not.
func configuredSuites(d *deploy.Deployment) (known []tlswire.CipherSuite, unknown []string) {
	for _, name := range d.CipherSuites {
		if name == "" {
			continue
		}
		if s, ok := suiteNamed(name); ok {
			known = append(known, s)
		} else {
			unknown = append(unknown, name)
		}
	}
	return known, unknown
}

// parameters judges --tls-min-version, --tls-max-version and --cipher-suites.
func (k *checker) parameters() {
	d := k.deployment
	for _, s := range [...]struct{ flag, value string }{{"--tls-min-version", d.TLSMin}, {"--tls-max-version", d.TLSMax}} {
		if _, ok := versionNamed(s.value); !ok && s.value != "" {
			k.wontStart(CodeVersionMismatch, s.flag+" is "+brief(s.value)+", and etcd takes TLS1.2 or TLS1.3")
		}
	}
	least, _ := versionNamed(d.TLSMin)
	most, limited := versionNamed(d.TLSMax)
	if limited && least > most {
		k.wontStart(CodeVersionMismatch, "--tls-min-version "+d.TLSMin+" is above --tls-max-version "+d.TLSMax)
	}
	known, unknown := configuredSuites(d)
	switch {
	case len(unknown) > 0:
		k.wontStart(CodeCipherMismatch, "--cipher-suites has "+briefly(unknown)+", which Go's TLS does not know: its names are IANA's, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
		return
	case len(known) == 0:
		return
	case least == tlswire.VersionTLS13:
		k.wontStart(CodeCipherMismatch, "--cipher-suites is set, and --tls-min-version=TLS1.3 leaves nothing that it could mean: Go chooses the suites of TLS 1.3 itself")
		return
	}
	k.suitesForKey(EndpointClient, known)
	k.suitesForKey(EndpointPeer, known)
}

// wontStart is for a setting that etcd refuses when it starts (embed/config.go, Validate).
func (k *checker) wontStart(code Code, meaning string) {
	f := k.add(code, Certain, k.deployment.Source, meaning+": etcd does not start with it")
	f.AtFault, f.Title = FaultServer, "A TLS setting that etcd refuses"
	f.Fix = []string{"Correct the setting in " + brief(k.deployment.Source) + ", or leave it out: Go's defaults are sound"}
}

// suitesForKey: in TLS 1.2 a suite has to be for the certificate's kind of key.
func (k *checker) suitesForKey(e Endpoint, known []tlswire.CipherSuite) {
	t := transportOf(k.deployment, e)
	for _, c := range k.store.ByFile(t.CertFile) {
		suites, kind := goSuitesECDSA, "ECDSA"
		if c.Index != 0 || t.CertFile == "" {
			continue
		}
		if c.X509.PublicKeyAlgorithm == x509.RSA {
			suites, kind = slices.Concat(goSuitesRSA, goTransport), "RSA"
		}
		if common(known, suites) > 0 {
			continue
		}
		f := k.add(CodeCipherMismatch, Certain, t.CertFile, "--cipher-suites has none for the "+kind+" key of "+flagOf(e, "cert-file")+" "+brief(t.CertFile)+": no client of TLS 1.2 gets in")
		f.AtFault = FaultServer
		if most, _ := versionNamed(k.deployment.TLSMax); most != tlswire.VersionTLS12 {
			f.Severity = Warning // where etcd speaks TLS 1.3, as 3.5.8 and later do
			f.Meaning += "; those of TLS 1.3, which etcd speaks from 3.5.8 on, do"
		}
	}
}

// configuredParameters says of a version or suite that nobody shares what the configuration has to do with it.
func (v *view) configuredParameters() {
	_, sure, ok := v.transport()
	if !ok {
		return
	}
	d := v.expect.Deployment
	for i := range v.found {
		f := &v.found[i]
		var settings []string
		switch f.Code {
		case CodeVersionMismatch:
			settings = setting(setting(nil, "--tls-min-version", d.TLSMin), "--tls-max-version", d.TLSMax)
		case CodeCipherMismatch:
			settings = setting(nil, "--cipher-suites", strings.Join(d.CipherSuites, ","))
			if known, _ := configuredSuites(d); sure && len(known) > 0 && v.f.TLS.ClientHello != nil && common(v.f.TLS.ClientHello.CipherSuites, slices.Concat(known, goSuites13)) == 0 {
				f.Confidence, f.AtFault = Certain, FaultServer
				f.Meaning += "; the client offers none of those"
			}
		}
		if len(settings) > 0 {
			f.Meaning += ". The configuration " + brief(d.Source) + " has " + strings.Join(settings, " and ")
		}
	}
}

// setting adds a flag that is set.
func setting(list []string, flag, value string) []string {
	if value == "" {
		return list
	}
	return append(list, flag+"="+brief(value))
}
