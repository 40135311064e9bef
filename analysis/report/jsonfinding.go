package report

import "github.com/etcdtap/etcdtap/analysis"

// maxFindingTexts bounds what is remembered of findings: as many as analysis remembers fixes with addresses in them. With more it begins anew.
const maxFindingTexts = 64

// findingText is a finding, but for its evidence and its fixes, and the text before and behind its evidence.
type findingText struct {
	finding        analysis.Finding // its Fix is what the text is found by
	before, behind []byte
}

// findingTexts remember the text of findings by the first element of their fixes, which findings of one kind share. It is never written to.
// A failure rarely comes alone, and advice is most of what there is to say of it. Nil remembers nothing.
type findingTexts map[*string]*findingText

func (m findingTexts) appendFindings(b []byte, list []analysis.Finding) []byte {
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = m.append(b, &list[i])
	}
	return append(b, ']')
}

// append appends a finding.
func (m findingTexts) append(b []byte, f *analysis.Finding) []byte {
	if m == nil || len(f.Fix) == 0 {
		return appendFix(appendEvidence(appendJudgement(b, f), f.Evidence), f)
	}
	known := m[&f.Fix[0]]
	if known == nil {
		if len(m) >= maxFindingTexts {
			clear(m)
		}
		known = new(findingText)
		m[&f.Fix[0]] = known
	}
	if !known.fits(f) {
		known.finding = *f
		known.finding.Evidence = nil
		known.before = appendJudgement(known.before[:0], f)
		known.behind = appendFix(known.behind[:0], f)
	}
	return append(appendEvidence(append(b, known.before...), f.Evidence), known.behind...)
}

// fits reports whether a finding with the same first fix has the same text.
func (t *findingText) fits(f *analysis.Finding) bool {
	k := &t.finding
	return k.Code == f.Code && k.Severity == f.Severity && k.Confidence == f.Confidence && k.AtFault == f.AtFault && len(k.Fix) == len(f.Fix) &&
		k.Title == f.Title && k.Meaning == f.Meaning
}

// appendJudgement appends a finding up to its evidence.
func appendJudgement(b []byte, f *analysis.Finding) []byte {
	b = appendString(append(b, `{"code":`...), string(f.Code))
	b = appendName(append(b, `,"severity":`...), f.Severity.String())
	b = appendName(append(b, `,"confidence":`...), f.Confidence.String())
	b = appendName(append(b, `,"at_fault":`...), f.AtFault.String())
	b = appendString(append(b, `,"title":`...), f.Title)
	b = appendString(append(b, `,"meaning":`...), f.Meaning)
	return append(b, `,"evidence":`...)
}

// appendFix appends what comes behind a finding's evidence.
func appendFix(b []byte, f *analysis.Finding) []byte {
	return append(appendStrings(append(b, `,"fix":`...), f.Fix), '}')
}
