package report

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
)

// CheckText writes a check for people: the answer, the certificates as a table, and every problem with its fix.
func CheckText(w io.Writer, o TextOptions, k *analysis.Check) error {
	t := newPage(w, o)
	in := green
	switch {
	case k.Count(analysis.Error) > 0:
		in = red
	case len(k.Certificates) == 0, k.Count(analysis.Warning) > 0:
		in = yellow
	}
	t.paragraph(checkAnswer(k), "", "  ", in)
	source := "no configuration was read"
	if k.Source != "" {
		source = "configuration: " + printable(k.Source)
	}
	t.paragraph(source+"; as of "+k.At.UTC().Format("2006-01-02 15:04:05")+" UTC", "", "  ", dim)
	t.checkTable(k)
	for i := range k.Findings {
		t.checkFinding(&k.Findings[i])
	}
	t.checkSkipped(k)
	if len(k.Findings) > 0 {
		t.buf = append(t.buf, '\n')
		t.paragraph("More about any of these, with causes and remedies: etcdtap explain "+string(k.Findings[0].Code), "", "", dim)
	}
	return t.Flush()
}

// checkAnswer is the one sentence for those who read no further.
func checkAnswer(k *analysis.Check) string {
	errors, warnings := int64(k.Count(analysis.Error)), int64(k.Count(analysis.Warning))
	found := " in " + plural(int64(len(k.Certificates)), "certificate")
	if k.Source != "" {
		found += " and the configuration"
	}
	switch {
	case len(k.Certificates) == 0 && errors+warnings == 0:
		return "No certificate was found."
	case errors+warnings == 0:
		return "No problem" + found + "."
	case errors == 0:
		return plural(warnings, "problem") + found + ", none of them an error."
	}
	return plural(errors+warnings, "problem") + found + ", " + plural(errors, "error") + "."
}

// Columns of the table. Names from certificates can have 64 KiB; what is cut off stands in the findings and in JSON.
const (
	maxFileColumn = 64
	maxNameColumn = 40
)

// checkTable aligns what `kubeadm certs check-expiration` shows, and what it does not.
func (t *page) checkTable(k *analysis.Check) {
	if len(k.Certificates) == 0 {
		return
	}
	rows := [][]string{{"FILE", "ROLE", "SUBJECT", "ISSUER", "EXPIRES (UTC)", "LEFT", "USAGE"}}
	for i := range k.Certificates {
		rows = append(rows, checkRow(&k.Certificates[i]))
	}
	var width [7]int
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	t.buf = append(t.buf, '\n')
	for n, r := range rows {
		in := plain
		if n == 0 {
			in = dim
		} else if c := &k.Certificates[n-1]; c.Problems > 0 {
			in = severityStyle(c.Worst)
		}
		var line []byte
		for i, cell := range r {
			if i > 0 {
				line = append(line, ' ', ' ')
			}
			line = appendPadded(line, cell, width[i])
		}
		t.put(strings.TrimRight(string(line), " "), in)
		t.buf = append(t.buf, '\n')
		if n > 0 {
			t.checkNames(&k.Certificates[n-1])
		}
	}
}

// checkNames writes the SANs below a row, and the flags that name the file.
func (t *page) checkNames(c *analysis.CheckedCertificate) {
	var names []string
	for _, n := range c.X509.DNSNames {
		names = append(names, analysis.Quote(n))
	}
	for _, ip := range c.X509.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 16
	if len(names) > most {
		names = append(names[:most], "and "+number(int64(len(names)-most))+" more")
	}
	if len(names) > 0 && !c.Role.CA() {
		t.paragraph("SANs: "+strings.Join(names, ", "), indent, indent+"  ", dim)
	}
	if len(c.Configured) > 0 {
		t.paragraph("used as "+printable(strings.Join(c.Configured, ", ")), indent, indent+"  ", dim)
	}
}

func checkRow(c *analysis.CheckedCertificate) []string {
	file := analysis.Quote(c.File)
	if c.Index > 0 {
		file += " #" + number(int64(c.Index+1))
	}
	use := strings.Join(analysis.ExtKeyUsages(c.X509), ", ")
	if c.Role.CA() {
		use = "CA"
	}
	return []string{cutLeft(file, maxFileColumn), c.Role.String(), cutRight(analysis.Quote(c.Subject), maxNameColumn), cutRight(analysis.Quote(c.Issuer), maxNameColumn),
		c.X509.NotAfter.UTC().Format("2006-01-02 15:04"), left(c.Left), cutRight(use, maxNameColumn)}
}

// left writes a residual time as kubeadm does: in days up to two years, then in years.
func left(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "expired"
	case d < day:
		return number(int64(d/time.Hour)) + "h"
	case d < 2*365*day:
		return number(int64(d/day)) + "d"
	}
	return number(int64(d/(365*day))) + "y"
}

// cutRight shortens s to n columns at its end, cutLeft at its beginning: the end of a path says more.
func cutRight(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func cutLeft(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return "…" + string(r[len(r)-n+1:])
}

func (t *page) checkFinding(f *analysis.Finding) {
	t.buf = append(t.buf, '\n')
	in := severityStyle(f.Severity)
	t.on(in)
	t.buf = appendRight(append(t.buf, printable(f.Title)...), string(f.Code), utf8.RuneCountInString(f.Title), t.options.Width)
	t.off(in)
	t.buf = append(t.buf, '\n')
	t.paragraph(printable(f.Meaning), indent, indent, plain)
	t.paragraph(f.Severity.String()+", "+standingOf(f), indent, indent, dim)
	t.fixes(f.Fix)
}

// checkSkipped says what was not looked at. Files without a certificate are no news.
func (t *page) checkSkipped(k *analysis.Check) {
	begun := false
	for _, s := range k.Skipped {
		if !begun {
			t.buf = append(t.buf, '\n')
			begun = true
		}
		t.paragraph("not used: "+analysis.Quote(s.File)+": "+analysis.Quote(s.Why), "", "  ", dim)
	}
	t.count("more that was not used", int64(k.MoreSkipped), dim)
}
