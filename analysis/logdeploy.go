package analysis

import (
	"slices"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis/deploy"
)

// deployed adds to a finding on a log line what the configuration and the certificates at hand have to do with it. The log may be
// another member's, so it says what stands where and changes neither cause nor certainty.
func (x *Explainer) deployed(f *Finding, e *LogEntry) {
	if d := x.Expectations.Deployment; d != nil {
		if text := configuredCause(f.Code, d, e.Endpoint); text != "" {
			f.add("the configuration " + brief(d.Source) + " has " + text)
		}
	}
	if x.Expectations.PKI == nil {
		return
	}
	switch f.Code {
	case CodeClientCertExpired, CodeServerCertExpired:
		x.endsThen(f, e)
	case CodeClientCertRevoked:
		x.hasSerial(f, e)
	case CodeCRLUnreadable:
		x.crlForm(f, e)
	}
}

// configuredCause is the setting behind a cause: "" when there is none.
func configuredCause(c Code, d *deploy.Deployment, e Endpoint) string {
	t := transportOf(d, e)
	var list []string
	switch c {
	case CodeVersionMismatch:
		list = setting(setting(nil, "--tls-min-version", d.TLSMin), "--tls-max-version", d.TLSMax)
	case CodeCipherMismatch:
		list = setting(nil, "--cipher-suites", strings.Join(d.CipherSuites, ","))
	case CodeClientCertNotAllowed:
		list = setting(setting(nil, clientFlag(e, "cert-allowed-cn"), strings.Join(t.AllowedCN, ",")), clientFlag(e, "cert-allowed-hostname"), strings.Join(t.AllowedHostname, ","))
	case CodeClientCertUntrusted, CodeCARegenerated:
		list = setting(nil, flagOf(e, "trusted-ca-file"), t.TrustedCAFile)
	case CodeServerCertUnreadable, CodeServerCertRefused:
		list = setting(nil, flagOf(e, "cert-file"), t.CertFile)
	case CodePlaintextToTLS:
		for _, u := range httpURLs(d) {
			if strings.Contains(u.flag, "client") == (e != EndpointPeer) {
				list = append(list, brief(u.url.Text)+" in "+u.flag+", which tells others to speak without TLS")
			}
		}
	}
	return strings.Join(list, " and ")
}

// clientFlag is the name of a flag that --client- begins on the client port.
func clientFlag(e Endpoint, name string) string {
	if e == EndpointPeer {
		return "--peer-" + name
	}
	return "--client-" + name
}

// endsThen names the files whose certificate ends, or begins, at the very second that the line names.
func (x *Explainer) endsThen(f *Finding, e *LogEntry) {
	after := between(e.Error, " is after ", "")
	at, err := time.Parse(time.RFC3339, strings.TrimRight(after, " \"'"))
	if err != nil {
		return
	}
	var files []string
	for _, c := range x.Expectations.PKI.Certificates() {
		if c.X509.NotAfter.Equal(at) && !slices.Contains(files, brief(c.File)) {
			files = append(files, brief(c.File))
		}
	}
	if len(files) > 0 {
		f.add("the certificate in " + briefly(files) + " ends at that very second")
	}
}

// hasSerial names the file whose certificate has the serial number that was revoked.
func (x *Explainer) hasSerial(f *Finding, e *LogEntry) {
	serial := strings.TrimLeft(strings.ToLower(between(e.Error, "certificate serial ", " revoked")), "0")
	if serial == "" {
		return
	}
	for _, c := range x.Expectations.PKI.Certificates() {
		if c.X509.SerialNumber.Text(16) == serial {
			f.add("that is the serial number of the certificate in " + brief(c.File))
			return
		}
	}
}

// crlForm says that the list is in the form that etcd 3.6 and later do not read.
func (x *Explainer) crlForm(f *Finding, e *LogEntry) {
	d := x.Expectations.Deployment
	if d == nil {
		return
	}
	file := transportOf(d, e.Endpoint).CRLFile
	if crl, found := x.Expectations.PKI.CRL(file); found && crl.PEM {
		f.add(brief(file) + " is in PEM form")
	}
}
