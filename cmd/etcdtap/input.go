package main

import (
	"fmt"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// input tells the summary what was counted while reading: nothing that was dropped, skipped or cut goes unsaid.
func (r *reader) input(interrupted bool) analysis.Input {
	in := trackedInput(&r.decoder, r.tracked)
	in.Files, in.OutOfScope = int64(len(r.files)), r.skipped
	for _, f := range r.files {
		s := f.Stats()
		in.HandshakesOnly = in.HandshakesOnly || f.HandshakesOnly()
		in.Packets += s.Packets
		in.Bytes += s.Bytes
		fileCounts(&in, f.Name(), &s)
	}
	other := func(name string, n int64) { note(&in.Other, name, n) }
	other("packets left out by --filter, --host or --port", r.filtered)
	other("comments of etcdtap proxy on connections left out, for want of memory", r.detours.dropped)
	if k, ok := r.options.Keys.(*keys); ok {
		k.grow()
		in.SecretsKept = k.others
		s := k.stats()
		other("lines of key logs that could not be read", s.Malformed+s.TooLong)
		other("connections whose secrets were forgotten for newer ones", s.Forgotten)
		if k.err != nil {
			other(k.err.Error(), 1)
		}
	}
	if interrupted {
		other("interrupted: what follows was not read", 1)
	}
	return in
}

// trackedInput is what decoding and tracking counted, of a file or live.
func trackedInput(decoder *capture.Decoder, tracked capture.TrackerStats) analysis.Input {
	d := &decoder.Stats
	in := analysis.Input{
		NotTCP:           counts(d.NotTCPKinds()),
		Undecodable:      counts(d.UndecodableReasons()),
		UnknownLinkTypes: counts(d.UnknownLinkTypes()),
		FragmentsLost:    d.Fragments.Expired + d.Fragments.Dropped + d.Fragments.Rejected,
		Evicted:          tracked.Evicted,
	}
	note(&in.Other, "connections given up as idle", tracked.Idle)
	note(&in.Other, "segments with sequence numbers that cannot belong to their connection", tracked.Implausible)
	note(&in.Other, "RSTs that no receiver would heed", tracked.IgnoredResets)
	note(&in.Other, "segments with data after the sender's own FIN or RST", tracked.AfterClose)
	note(&in.Other, "streams not compared with their retransmissions, for want of memory", tracked.Uncompared)
	return in
}

// fileCounts adds what one file's reader counted.
func fileCounts(in *analysis.Input, name string, s *capture.Stats) {
	if s.Truncated != nil { // even if there is no packet before that
		in.TruncatedFiles = append(in.TruncatedFiles, analysis.Count{Name: s.Truncated.Error(), N: s.Packets})
	}
	note(&in.Drops, name+": dropped before they were captured", int64(s.Dropped()))
	note(&in.Other, "packets cut by the snapshot length", s.Cut)
	note(&in.Other, "packets captured longer than they were", s.Inverted)
	note(&in.Other, "packets without a time", s.Untimed)
	note(&in.Other, "packets of an interface that the file does not describe", s.NoInterface)
	note(&in.Other, "decryption secrets left out, for want of memory", s.SecretsDropped)
	for _, b := range s.Skipped {
		note(&in.Other, fmt.Sprintf("pcapng blocks of type 0x%08x", b.Type), b.Count)
	}
	note(&in.Other, "pcapng blocks of other types", s.SkippedOther)
}

// note adds n to the count of that name.
func note(list *[]analysis.Count, name string, n int64) {
	if n == 0 {
		return
	}
	for i := range *list {
		if (*list)[i].Name == name {
			(*list)[i].N += n
			return
		}
	}
	*list = append(*list, analysis.Count{Name: name, N: n})
}

func counts(list []capture.Count) []analysis.Count {
	out := make([]analysis.Count, 0, len(list))
	for _, c := range list {
		name := c.Name
		if c.First > 0 {
			name += fmt.Sprintf(" (first: packet %d)", c.First)
		}
		out = append(out, analysis.Count{Name: name, N: c.N})
	}
	return out
}

// warnings are what the user should know at once, not only from the summary.
func (r *reader) warnings() []string {
	var w []string
	for _, f := range r.files {
		if s := f.Stats(); s.Truncated != nil {
			w = append(w, s.Truncated.Error())
		}
	}
	if k, ok := r.options.Keys.(*keys); ok {
		s := k.stats()
		if n := s.Malformed + s.TooLong; n > 0 {
			w = append(w, fmt.Sprintf("%d lines of the key logs could not be read: connections may stay hidden for that", n))
		}
		if len(k.logs) > 0 && k.asked && !k.found {
			w = append(w, "the key logs know none of the connections, so nothing was decrypted: expected what client or server wrote (SSLKEYLOGFILE) while these packets were captured")
		}
		if s.Forgotten > 0 {
			w = append(w, fmt.Sprintf("the key logs have more connections than are kept, and the secrets of %d were forgotten: cut them to the time of the capture", s.Forgotten))
		}
	}
	if r.scope.filter != nil {
		if err := r.scope.filter.Refused(); err != nil {
			w = append(w, err.Error())
		}
	}
	return w
}

// undecodable is the error when not a single packet was of a link type that is known.
func (r *reader) undecodable() error {
	d := &r.decoder.Stats
	if d.UnknownLinks == 0 || d.UnknownLinks < d.Packets {
		return nil
	}
	return fmt.Errorf("%s: expected Ethernet, Linux cooked (-i any), raw IP, loopback or PPP, found the link type %s, which is not decoded; "+
		"capture again: tcpdump -i any -s 0 -w FILE 'tcp port 2379 or tcp port 2380'", fileNames(r.files), d.UnknownLinkTypes()[0].Name)
}
