package report

import (
	"crypto/x509"
	"io"
	"strconv"
	"strings"

	"github.com/etcdtap/etcdtap/analysis"
)

// ProbeText writes for people: the answer in one sentence, the facts in two columns, what is wrong, and the certificates.
type ProbeText struct {
	text  *Text
	begun bool
}

// NewProbeText makes a ProbeReport that writes to w. Of the options All shows each piece of evidence, too.
func NewProbeText(w io.Writer, o TextOptions) *ProbeText { return &ProbeText{text: NewText(w, o)} }

// Probe shows one server.
func (t *ProbeText) Probe(p *analysis.Probe) error {
	x := t.text
	if t.begun {
		x.buf = append(x.buf, '\n')
	}
	t.begun = true
	x.paragraph(printable(p.Answer()), "", "  ", bold)
	x.buf = append(x.buf, '\n')
	t.facts(p)
	for i := range p.Findings {
		x.buf = append(x.buf, '\n')
		t.finding(&p.Findings[i])
	}
	for _, c := range p.Chain {
		x.certificate(&foundCertificate{cert: c})
	}
	if p.More > 0 {
		x.count("certificates beyond what was kept", int64(p.More), yellow)
	}
	return x.Flush()
}

// factColumn is where the facts begin: the longest label is "without certificate".
const factColumn = 21

func (t *ProbeText) fact(label, text string) {
	if text != "" {
		t.text.paragraph(printable(text), string(appendPadded([]byte("  "), label, factColumn)), strings.Repeat(" ", factColumn+2), plain)
	}
}

func (t *ProbeText) facts(p *analysis.Probe) {
	a := &p.Main
	t.fact("connected to", connectedTo(p))
	if a.Hello {
		t.fact("agreed", versionText(a.Version.String())+", "+a.Suite.String()+", ALPN "+orNone(a.ALPN))
	} else if a.Connected {
		t.fact("handshake", a.Outcome())
	}
	if len(p.Chain) > 0 {
		t.fact("presented", analysis.Quote(p.Chain[0].Subject)+", issuer "+analysis.Quote(p.Chain[0].Issuer)+", "+plural(int64(len(p.Chain)+p.More), "certificate")+", in full below")
		t.fact("verified", verifiedText(p))
		t.expected(p.Expected)
	}
	t.clientCertificate(p)
	t.fact("versions", attemptList(p.Versions, func(v *analysis.Attempt) string { return versionText(v.Offered) }))
	t.fact("ALPN", attemptList(p.ALPN, func(v *analysis.Attempt) string { return v.Offered }))
	if len(p.Suites) > 0 {
		names := make([]string, len(p.Suites))
		for i := range p.Suites {
			names[i] = p.Suites[i].Suite.String()
		}
		t.fact("TLS 1.2 suites", strings.Join(names, ", "))
	}
	for i := range p.Requests {
		t.fact("GET "+p.Requests[i].Path, requestText(&p.Requests[i]))
	}
}

func connectedTo(p *analysis.Probe) string {
	if !p.Main.Connected {
		return "no: " + analysis.Quote(p.Main.Error)
	}
	s := printable(p.Server.String()) + ", " + p.Start.UTC().Format("2006-01-02 15:04:05 UTC")
	if p.Name != p.Server.Addr().String() {
		s += ", as " + analysis.Quote(p.Name)
	}
	return s
}

func verifiedText(p *analysis.Probe) string {
	against := "for " + analysis.Quote(p.Name)
	if p.Verified.Authority != "" {
		against = "by " + analysis.Quote(p.Verified.Authority) + " and " + against
	}
	if len(p.Verified.Problems) == 0 {
		if p.Verified.Authority == "" {
			return "name, dates and usage are in order " + against + "; its issuer was not checked (--cacert)"
		}
		return "yes, " + against
	}
	var list []string
	for _, problem := range p.Verified.Problems {
		list = append(list, strings.ReplaceAll(problem.Kind, "_", " ")+": "+problem.Text)
	}
	s := "NO, " + against + ": " + strings.Join(list, "; ")
	if p.Verified.Authority == "" {
		s += "; its issuer was not checked (--cacert)"
	}
	return s
}

func (t *ProbeText) expected(e *analysis.ExpectedCompare) {
	switch {
	case e == nil:
	case e.Same:
		t.fact("expected", "the same as "+analysis.Quote(e.File))
	default:
		t.fact("expected", "DIFFERENT from "+analysis.Quote(e.File)+" in "+strings.ReplaceAll(strings.Join(e.Differs, ", "), "_", " ")+expectedDates(e.Certificate.X509))
	}
}

func expectedDates(x *x509.Certificate) string {
	if x == nil {
		return ""
	}
	return "; the file's has serial " + serial(x) + " and is valid to " + x.NotAfter.UTC().Format("2006-01-02 15:04:05 UTC")
}

func (t *ProbeText) clientCertificate(p *analysis.Probe) {
	if p.Request == nil {
		if p.Main.Completed {
			t.fact("client certificate", "not asked for")
		}
		return
	}
	if p.Main.Presented {
		t.fact("our certificate", analysis.Quote(p.Own.Subject)+", issuer "+analysis.Quote(p.Own.Issuer)+": "+p.Main.Outcome())
		if p.Request.Unsuitable != "" {
			t.fact("", "a Go client would hold it back: "+analysis.Quote(p.Request.Unsuitable))
		}
		if p.Bare != nil {
			t.fact("without certificate", p.Bare.Outcome())
		}
	} else {
		t.fact("without certificate", p.Main.Outcome())
	}
	names := make([]string, len(p.Request.Authorities))
	for i, n := range p.Request.Authorities {
		names[i] = analysis.Quote(n)
	}
	text := strings.Join(names, "; ")
	if len(names) == 0 {
		text = "none named: any CA"
	}
	if p.Request.More > 0 {
		text += " and " + number(int64(p.Request.More)) + " more"
	}
	t.fact("acceptable CAs", text)
}

// attemptList says of each attempt what was offered and what came of it.
func attemptList(list []analysis.Attempt, name func(*analysis.Attempt) string) string {
	parts := make([]string, len(list))
	for i := range list {
		a := &list[i]
		switch {
		case a.Purpose == "alpn" && a.Hello && a.ALPN == "":
			parts[i] = name(a) + " tolerated, not chosen"
		case a.Hello && a.Purpose == "version":
			parts[i] = name(a) + " yes (" + a.Suite.String() + ")"
		case a.Hello:
			parts[i] = name(a) + " yes"
		default:
			parts[i] = name(a) + " no (" + strings.TrimPrefix(a.Outcome(), "refused: ") + ")"
		}
	}
	return strings.Join(parts, ", ")
}

func requestText(r *analysis.ProbeRequest) string {
	if r.Status == 0 {
		return "no answer: " + r.Outcome()
	}
	s := strconv.Itoa(r.Status)
	switch {
	case r.Server != "":
		s += ", etcdserver " + analysis.Quote(r.Server) + ", etcdcluster " + analysis.Quote(r.Cluster)
	case r.Health != "":
		s += ", health " + analysis.Quote(r.Health)
	case r.BodyPrefix != "":
		s += ": " + analysis.Quote(r.BodyPrefix)
	}
	return s
}

// finding writes what was found, and on what it rests: what was done and what came back.
func (t *ProbeText) finding(f *analysis.Finding) {
	x, in := t.text, plain
	switch f.Severity {
	case analysis.Error:
		in = red
	case analysis.Warning:
		in = yellow
	}
	x.paragraph(f.Severity.String()+": "+printable(f.Title)+" ("+string(f.Code)+")", "  ", "    ", in)
	x.paragraph(printable(f.Meaning), indent, indent, plain)
	x.paragraph(standingOf(f), indent, indent, dim)
	shown := f.Evidence[:min(len(f.Evidence), 1)]
	if x.options.All {
		shown = f.Evidence
	}
	for i := range shown {
		x.paragraph(printable(shown[i].Text), indent+"- ", indent+"  ", dim)
	}
	if f.Severity > analysis.Info {
		x.fixes(f.Fix)
	}
}

func versionText(s string) string { return strings.Replace(s, "v", " ", 1) }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return analysis.Quote(s)
}
