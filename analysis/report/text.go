package report

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// TextOptions says how text looks. The zero value is plain text of 100 columns.
type TextOptions struct {
	Color  bool   // use SGR colours
	Width  int    // columns; 0 means 100, and fewer than 60 are taken for 60
	All    bool   // show every connection in full, with its evidence, also where it is the same as an earlier one
	Source string // what is read, for the first line: file name or interface; raw
}

const leastWidth = 60 // columns: below, an address and a word do not fit side by side

// Text writes for people: a line for each connection, what is wrong with it in plain words below, and what it adds up to. Nothing
// from the wire is written unescaped.
type Text struct {
	page
	pairWidth int    // columns of the longest "client > server" so far
	pair      []byte // the one being written
	repeats   map[repeatKey]*repeat
}

// NewText makes a Report that writes to w.
func NewText(w io.Writer, o TextOptions) *Text {
	return &Text{page: newPage(w, o), repeats: make(map[repeatKey]*repeat)}
}

// Connection shows a connection: one line when it is healthy, and when not, what was found, unless that was said before.
func (t *Text) Connection(c *analysis.Connection) error {
	if t.err != nil {
		return t.err
	}
	t.date(c.Start, " UTC")
	worst := c.Worst()
	if worst == nil {
		t.headLine(c, healthy(c), "")
		t.stage(c)
		t.process(c)
		t.logLines(c)
		return t.written()
	}
	again, before := t.repeat(c)
	if again != nil && before.n > 0 {
		t.headLine(c, "", string(worst.Code))
		t.sameAs(c, before)
		if commandOf(c) != before.command {
			t.process(c)
		}
		t.series(c, again, before)
		return t.written()
	}
	t.headLine(c, printable(worst.Title), string(worst.Code))
	t.stage(c)
	t.findings(c, worst)
	t.series(c, again, before)
	t.process(c)
	t.logLines(c)
	return t.written()
}

// maxPairWidth is as far as short addresses are moved to stand in line with long ones: two IPv6 addresses without zeros need more.
const maxPairWidth = 48

// headLine writes a connection's line: time, addresses, endpoint, outcome, what there is to say, and the code at the right. What
// does not fit goes to a line of its own, so that code and outcome stay where the eye looks for them.
func (t *Text) headLine(c *analysis.Connection, say, code string) {
	t.on(dim)
	t.buf = appendClock(t.buf, c.Start)
	t.off(dim)
	t.pair = appendEnd(t.pair[:0], c.Client)
	t.pair = appendEnd(append(t.pair, " > "...), c.Server)
	t.pairWidth = max(t.pairWidth, min(len(t.pair), maxPairWidth))
	t.buf = append(append(t.buf, ' ', ' '), t.pair...)
	for n := len(t.pair); n < t.pairWidth; n++ {
		t.buf = append(t.buf, ' ')
	}
	t.buf = appendPadded(append(t.buf, ' ', ' '), c.Endpoint.String(), len("metrics"))
	word, in := outcomeWord(c)
	t.buf = append(t.buf, ' ', ' ')
	t.put(word, in)
	column := len("02:56:29.148") + 2 + max(len(t.pair), t.pairWidth) + 2 + len("metrics") + 2 + len(word)
	width := utf8.RuneCountInString(say)
	below := code != "" && say != "" && column+2+width+2+len(code) > t.options.Width
	if say != "" && !below {
		t.buf = append(append(t.buf, ' ', ' '), say...)
		column += 2 + width
	}
	if code != "" {
		t.on(in)
		t.buf = appendRight(t.buf, code, column, t.options.Width)
		t.off(in)
	}
	t.buf = append(t.buf, '\n')
	if below {
		t.paragraph(say, indent, indent, bold)
	}
}

// indent is what all lines below a connection's own begin with.
const indent = "   "

// outcomeWord is the outcome for people, and its colour.
func outcomeWord(c *analysis.Connection) (string, style) {
	in := dim
	if severity, found := c.Severity(); found {
		in = severityStyle(severity)
	}
	if c.Outcome != analysis.OutcomeEstablished {
		return outcomeWords[c.Outcome], in
	}
	switch in {
	case red:
		return "FAILED", in
	case dim:
		return "OK", green
	}
	return "OK", in
}

var outcomeWords = [...]string{
	analysis.OutcomePartial:          "PARTIAL",
	analysis.OutcomeEstablished:      "OK",
	analysis.OutcomeRejectedByServer: "REJECTED by server",
	analysis.OutcomeRejectedByClient: "REJECTED by client",
	analysis.OutcomePlaintextToTLS:   "PLAINTEXT",
	analysis.OutcomeTLSToPlaintext:   "TLS TO PLAINTEXT",
	analysis.OutcomePlaintext:        "NO TLS",
	analysis.OutcomeNoReply:          "NO REPLY",
	analysis.OutcomeNoData:           "NO DATA",
	analysis.OutcomeAborted:          "ABORTED",
	analysis.OutcomeRefused:          "REFUSED",
	analysis.OutcomeUnanswered:       "UNANSWERED",
}

func severityStyle(s analysis.Severity) style {
	switch s {
	case analysis.Error:
		return red
	case analysis.Warning:
		return yellow
	}
	return dim
}

// healthy says what a connection without findings was, in a few words.
func healthy(c *analysis.Connection) string {
	tls := c.TLS
	if tls == nil || tls.ServerHello == nil {
		if r := c.Stream[analysis.FromClient].Request; r != "" {
			return `"` + analysis.Quote(r) + `"`
		}
		return ""
	}
	var b strings.Builder
	b.Grow(96)
	b.WriteString(tls.Version.String())
	b.WriteByte(' ')
	b.WriteString(shortSuite(tls.CipherSuite.String()))
	if h := tls.ClientHello; h != nil && h.ServerName != "" {
		b.WriteString(" for ")
		b.WriteString(analysis.Quote(h.ServerName))
	}
	if tls.ALPN != "" {
		b.WriteString(" ")
		b.WriteString(analysis.Quote(tls.ALPN))
	}
	if tls.Resumed {
		b.WriteString(", resumed" + keysSaid(tls))
		return b.String()
	}
	if said := inferredIdentity(c); said != "" {
		b.WriteString(said + keysSaid(tls))
		return b.String()
	}
	b.WriteString(clientIdentity(&tls.Certificates[analysis.FromClient]))
	b.WriteString(keysSaid(tls))
	return b.String()
}

// keysSaid says what a key log did for the connection, "" when nothing.
func keysSaid(t *analysis.TLSFacts) string {
	switch {
	case t.DecryptFailed != [2]int64{}:
		return "; the key log's secrets do not open it"
	case t.KeysFound && t.Version == tlswire.VersionTLS13:
		return "; decrypted with the key log"
	case t.KeysFound && slices.ContainsFunc(t.Alerts, func(a analysis.Alert) bool { return a.Decrypted && a.Code != tlswire.AlertCloseNotify }):
		return "; alert decrypted with the key log" // the certificates of TLS 1.2 are in clear anyhow
	}
	return ""
}

// inferredIdentity says what TLS 1.3's record lengths tell of the client's certificate where it is hidden, "" when nothing.
func inferredIdentity(c *analysis.Connection) string {
	if c.TLS.Certificates[analysis.FromClient].Visibility != analysis.Hidden {
		return ""
	}
	s := c.Facts.Shape()
	if text := s.Text(); text != "" {
		return ", " + text
	}
	return ""
}

// clientIdentity says as whom the client presented itself, or why that is not known.
func clientIdentity(c *analysis.CertificateFacts) string {
	switch {
	case c.Visibility == analysis.Hidden:
		return ", client cert hidden"
	case c.Visibility == analysis.Missed:
		return ", client cert missed"
	case len(c.Chain) == 0 && c.Visibility.Shown():
		return ", client cert requested, none sent"
	case len(c.Chain) == 0:
		return ", no client cert"
	}
	leaf := c.Chain[0]
	if leaf.X509 == nil {
		return ", mTLS, certificate unreadable"
	}
	if cn := leaf.X509.Subject.CommonName; cn != "" {
		return ", mTLS as CN=" + analysis.Quote(cn)
	}
	return ", mTLS as " + analysis.Quote(leaf.Subject)
}

// shortSuite is the cipher of a suite: what people ask for. "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" gives "AES_128_GCM".
func shortSuite(s string) string {
	if _, after, ok := strings.Cut(s, "_WITH_"); ok {
		s = after
	}
	s = strings.TrimPrefix(s, "TLS_")
	for _, hash := range [...]string{"_SHA256", "_SHA384", "_SHA", "_MD5"} {
		s = strings.TrimSuffix(s, hash)
	}
	return s
}

// maxRepeats bounds the kinds of failure that are remembered so as not to say the same again; others are said again.
const maxRepeats = 8192

// repeatKey is what makes two failures the same to a reader.
type repeatKey struct {
	client  netip.Addr
	server  netip.AddrPort
	outcome analysis.Outcome
	found   uint64 // a hash of codes and titles
}

// repeat is a failure that was shown.
type repeat struct {
	shown   time.Time // start of the connection that was shown in full
	last    time.Time // start of the latest one
	n       int64     // how many there were
	series  analysis.Code
	command string              // of the client's process that was shown; raw
	sure    analysis.Confidence // of the series
}

// repeat finds what was shown of the same failure and counts this one. before is what it was before this one; again is nil when
// failures are not followed.
func (t *Text) repeat(c *analysis.Connection) (again *repeat, before repeat) {
	if t.options.All || c.Stage == analysis.StageUpdate || c.Stage == analysis.StageLate {
		return nil, repeat{}
	}
	k := repeatKey{c.Client.Addr(), c.Server, c.Outcome, hashFindings(c.Findings)}
	r := t.repeats[k]
	if r == nil {
		if len(t.repeats) >= maxRepeats {
			return nil, repeat{}
		}
		r = &repeat{shown: c.Start, command: commandOf(c)}
		t.repeats[k] = r
	}
	before = *r
	r.n++
	if c.Start.After(r.last) {
		r.last = c.Start
	}
	return r, before
}

// hashFindings is FNV-1a over codes and titles, those of series left out. All of it is our own text.
func hashFindings(list []analysis.Finding) uint64 {
	h := uint64(14695981039346656037)
	for i := range list {
		if list[i].Code.OfSeries() {
			continue
		}
		for _, s := range [...]string{string(list[i].Code), list[i].Title} {
			for j := range len(s) {
				h = (h ^ uint64(s[j])) * 1099511628211
			}
		}
	}
	return h
}
