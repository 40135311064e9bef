package main

import (
	"fmt"
	"io"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/pki"
	"github.com/etcdtap/etcdtap/analysis/report"
	"github.com/etcdtap/etcdtap/metrics"
)

// liveReporter takes what a live producer sees of connections, before and at their ends: it judges them, joins them with etcd's log, shows
// each when its fate is known, and counts. Capture and proxy have one each. It is used by one goroutine.
type liveReporter struct {
	env     *environment
	flags   *outputFlags
	watch   analysis.Watch
	join    *analysis.LiveJoin // nil without a log
	logs    *liveLogs          // nil without a log
	repeats analysis.Repeats
	out     report.Live
	certs   *report.Certificates
	export  *certExporter
	summary analysis.Summary
	metrics *metrics.Metrics           // nil without --metrics
	about   func(*analysis.Connection) // adds what only the producer knows; nil: nothing
	all     bool                       // report what is no concern of etcd's, too
	skipped int64                      // connections that are none
	begun   time.Time
	now     time.Time // of the last tick
	err     error     // the first of writing
}

// newLiveReporter makes one that writes to w. source is what is watched, for the heading.
func (e *environment) newLiveReporter(f *outputFlags, w io.Writer, source string, x analysis.Expectations) (*liveReporter, error) {
	r := &liveReporter{env: e, flags: f, begun: time.Now()}
	r.now = r.begun
	r.watch.Diagnoser.Expectations = x
	r.watch.Report = r.judged
	r.out = e.newLiveReport(f, w, source, x.PKI)
	if f.certs {
		r.certs = &report.Certificates{Files: x.PKI}
	}
	if f.exportCerts != "" {
		var err error
		if r.export, err = newCertExporter(f.exportCerts); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (e *environment) newLiveReport(f *outputFlags, w io.Writer, source string, files *pki.Store) report.Live {
	if f.output == "json" {
		j := report.NewJSON(w)
		j.NameFiles(files)
		return j
	}
	options := f.text(e)
	options.Source = source
	return report.NewText(w, options)
}

// follow joins with logs that grow.
func (r *liveReporter) follow(names []string) error {
	if len(names) == 0 {
		return nil
	}
	logs, err := r.env.newLiveLogs(names, &analysis.Explainer{Expectations: r.watch.Diagnoser.Expectations})
	if err != nil {
		return err
	}
	r.logs = logs
	r.join = &analysis.LiveJoin{Report: r.joined, Entry: r.entry}
	return nil
}

// judged takes a connection that was judged by its packets.
func (r *liveReporter) judged(c *analysis.Connection) {
	if !r.all && c.Endpoint == analysis.EndpointOther && c.TLS == nil {
		if c.Counts() {
			r.skipped++
		}
		return
	}
	if r.about != nil {
		r.about(c)
	}
	if r.join != nil {
		r.join.Connection(c, r.now)
		return
	}
	r.joined(c)
}

// joined takes a connection with its lines of the log: it is counted and shown.
func (r *liveReporter) joined(c *analysis.Connection) {
	r.metrics.Connection(c)
	if c.Counts() {
		r.summary.Add(c)
	}
	if r.certs != nil {
		r.certs.Add(c)
	}
	if r.export != nil {
		r.keep(r.export.add(c))
	}
	if c.Stage == analysis.StageEnd || r.flags.problems && len(c.Findings) == 0 {
		return
	}
	json := r.flags.output == "json" // programs get every connection
	more := c.Stage == analysis.StageUpdate || c.Stage == analysis.StageLate
	if json || more || r.repeats.Connection(c, r.now) {
		r.keep(r.out.Connection(c))
		r.keep(r.out.Flush())
	}
}

// entry takes a line of the log, joined or given up.
func (r *liveReporter) entry(e *analysis.LogEntry) {
	if r.flags.output == "json" || e.Connection != "" || r.repeats.LogEntry(e, r.now) {
		r.keep(r.out.LogEntry(e))
		r.keep(r.out.Flush())
	}
}

// tick lets time pass.
func (r *liveReporter) tick(now time.Time) {
	r.now = now
	if r.join != nil {
		r.logs.poll(func(e *analysis.LogEntry) { r.join.LogEntry(e, now) })
		r.join.Tick(now)
	}
	r.tell(false)
}

// tell says how often what was shown came again.
func (r *liveReporter) tell(all bool) {
	r.repeats.Tick(r.now, all, func(n *analysis.Repeat) {
		r.keep(r.out.Repeat(n))
		r.keep(r.out.Flush())
	})
}

// statistics says how the work goes.
func (r *liveReporter) statistics(s analysis.Statistics) {
	s.At, s.Since = r.now, r.begun
	s.Connections, s.Failed, s.OutOfScope = r.summary.Connections, r.summary.Failed, r.skipped
	if r.flags.output == "json" {
		r.keep(r.out.Statistics(&s))
		r.keep(r.out.Flush())
		return
	}
	fmt.Fprintln(r.env.stderr, "etcdtap: "+s.Text())
}

// close shows what is left and the summary.
func (r *liveReporter) close(in analysis.Input) error {
	r.now = time.Now()
	if r.join != nil {
		r.logs.poll(func(e *analysis.LogEntry) { r.join.LogEntry(e, r.now) })
		r.join.Close(r.now)
		r.logs.close()
	}
	r.tell(true)
	if r.certs != nil {
		r.keep(r.out.Certificates(r.certs))
	}
	if r.join != nil {
		r.keep(r.out.Joined(r.join.Stats()))
	}
	in.OutOfScope = r.skipped
	r.summary.Input = in
	r.keep(r.out.Summary(&r.summary))
	return r.err
}

// keep remembers the first error.
func (r *liveReporter) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}
