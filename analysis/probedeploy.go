package analysis

// deployed holds what a probe was shown against the files and the configuration: the rules on connections that need nothing but the
// certificates. In TLS 1.3 the packets hide them; we were a party to the handshake.
func (j *probeJudge) deployed(expect *Expectations) {
	if expect.PKI == nil && expect.Deployment == nil || j.Probe.Facts == nil || j.Probe.Facts.TLS == nil || !j.Main.Hello {
		return
	}
	facts, t := *j.Probe.Facts, *j.Probe.Facts.TLS
	facts.TLS = &t
	t.Certificates[FromServer] = CertificateFacts{Visibility: Seen, Chain: j.Chain, At: j.Main.At}
	if j.Own != nil && j.Main.Presented {
		t.Certificates[FromClient] = CertificateFacts{Visibility: Seen, Chain: []*Certificate{j.Own}, At: j.Main.At}
	}
	t.CertificateRequest.Visibility = Absent
	if j.Request != nil || j.Main.Requested {
		t.CertificateRequest.Visibility = Seen
	}
	v := view{f: &facts, endpoint: j.view.endpoint, expect: expect, shape: unknownShape(), result: OutcomeRejectedByServer}
	if j.Main.Result == AttemptAccepted {
		v.result = OutcomeEstablished
	}
	for _, rule := range [...]func(*view){(*view).wrongCertificateForPort, (*view).renewedCertificateNotLoaded, (*view).notTheConfiguredCertificate,
		(*view).clientAuthNotRequested, (*view).memberMissingFromSANs, (*view).serverCertWithoutClientAuth} {
		rule(&v)
	}
	for _, f := range v.found {
		f.Evidence = append([]Evidence{{Text: j.Main.story(), At: j.Main.At}}, f.Evidence[:min(len(f.Evidence), maxEvidence-1)]...)
		j.view.found = append(j.view.found, f)
	}
	j.view.f, j.view.shape = &facts, v.shape
	j.view.notAllowed()
	j.view.configuredParameters()
	j.view.certificateFiles()
}
