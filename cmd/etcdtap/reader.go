package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// scope says which packets and connections of a capture are looked at.
type scope struct {
	expect analysis.Expectations
	all    bool         // every TCP connection, not only etcd's and TLS
	hosts  []netip.Addr // only connections with one of these; all when empty
	ports  []uint16     // only connections with one of these; all when empty
	filter *capture.Filter
}

// reader runs a capture through decoding, reassembly and diagnosis.
type reader struct {
	scope     scope
	options   capture.PipelineOptions
	join      *analysis.Join // nil without a log
	files     []*capture.File
	each      func(*analysis.Connection) error // gets each connection in scope, in the order of finishing
	decoder   capture.Decoder
	diagnoser analysis.Diagnoser
	current   analysis.Connection // the one being reported, here so that none is allocated
	filtered  int64               // packets that the filter, --host or --port left out
	skipped   int64               // connections out of scope
	tracked   capture.TrackerStats
	err       error       // the first that each returned
	stopped   atomic.Bool // err is set
	detours   detours
}

// read reads all the files and reports every connection. It stops at the end, when ctx is done, or at the first error of each.
func (r *reader) read(ctx context.Context) error {
	r.diagnoser.Expectations = r.scope.expect
	r.options.ServerPorts = r.serverPort
	p := capture.NewPipeline(r.files, r.options, r.finished)
	err := r.packets(ctx, p)
	if err == nil {
		p.Flush()
	}
	p.Close()
	r.tracked = p.Stats()
	return cmp.Or(err, r.err)
}

// interruptEvery is how many packets are read between two looks at the context.
const interruptEvery = 4096

func (r *reader) packets(ctx context.Context, pipeline *capture.Pipeline) error {
	var p capture.Packet
	for n := 0; ; n++ {
		if n%interruptEvery == 0 && ctx.Err() != nil || r.stopped.Load() {
			return nil // what was read so far is reported, and that it is not all
		}
		switch err := pipeline.Next(&p); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if r.scope.filter != nil && !r.scope.filter.Match(&p) {
			r.filtered++
			continue
		}
		s := pipeline.Room()
		if r.decoder.Decode(&p, s) != capture.TCP {
			continue
		}
		if !r.scope.wants(s) {
			r.filtered++
			continue
		}
		if p.Detour != nil {
			r.detours.add(p.Number, p.Detour)
		}
		pipeline.Take(&p, r.decoder.Joined())
	}
}

// wants reports whether --host and --port let the segment pass.
func (c *scope) wants(s *capture.Segment) bool {
	if len(c.ports) > 0 && !slices.Contains(c.ports, s.SrcPort) && !slices.Contains(c.ports, s.DstPort) {
		return false
	}
	if len(c.hosts) == 0 {
		return true
	}
	src, dst := netip.AddrFrom16(s.Src).Unmap(), netip.AddrFrom16(s.Dst).Unmap()
	return slices.Contains(c.hosts, src) || slices.Contains(c.hosts, dst)
}

func (r *reader) serverPort(p uint16) bool {
	e := &r.scope.expect
	return slices.Contains(e.ClientPorts, p) || slices.Contains(e.PeerPorts, p) || slices.Contains(e.MetricsPorts, p)
}

// finished judges a connection and hands it on when it is in scope.
func (r *reader) finished(f *analysis.Facts) {
	if r.stopped.Load() {
		return
	}
	proxied := r.detours.apply(f)
	known := f.KnownAs()
	named := r.join != nil && r.join.Names(known)
	if named && r.join.Rejected(known) {
		r.diagnoser.SpeaksTLS(f.Server)
	}
	c := &r.current
	r.diagnoser.DiagnoseInto(c, f)
	if !r.scope.all && len(r.scope.ports) == 0 && c.Endpoint == analysis.EndpointOther && f.TLS == nil && !named && !proxied {
		r.skipped++
		return
	}
	if r.err = r.each(c); r.err != nil {
		r.stopped.Store(true)
	}
}

// checkNames refuses files without a name, as of a variable that is not set, and standard input twice: who reads it second finds nothing.
func checkNames(names ...string) error {
	if slices.Contains(names, "") {
		return &usageError{errors.New(`expected the name of a file, got ""`), "name a file, or - for standard input"}
	}
	if i := slices.Index(names, "-"); i >= 0 && slices.Contains(names[i+1:], "-") {
		return &usageError{errors.New("standard input (-) is named twice"), "name it once"}
	}
	return nil
}

// openFiles opens all the files; on an error it closes those already open.
func openFiles(names []string, stdin io.Reader) ([]*capture.File, error) {
	var files []*capture.File
	for _, name := range names {
		f, err := capture.Open(name, stdin)
		if err != nil {
			closeFiles(files)
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func closeFiles(files []*capture.File) {
	for _, f := range files {
		f.Close()
	}
}
