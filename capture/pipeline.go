package capture

import (
	"runtime"
	"sync"
)

const (
	// inlineBatch is how many segments are tracked at a time in one goroutine: so many that the memory that they visit is fetched
	// for all of them at once, so few that their packets are still in the processor's nearest cache.
	inlineBatch = 64
	// handedBatch is how many segments go to another goroutine at a time: enough that handing over costs nothing, a tenth of a
	// millisecond's work.
	handedBatch = 512
	// handedReports is how many finished connections do, each with an analysis.Conn of some ten kilobytes.
	handedReports = 64
	// underway is how many of either wait at the most: of segments more than half a millisecond's work. To wake a goroutine on another
	// processor takes a tenth of that, and who tracks, which takes longest, never waits for it so; with half as many it did, and two
	// workers took a quarter longer.
	underway = 8
)

// PipelineOptions says how a Pipeline works. The zero value means the defaults.
type PipelineOptions struct {
	TrackerOptions
	// Workers is how many processors to use. With 1 everything happens in the calling goroutine; with 2 tracking has one of its own,
	// and with 3 the sink, too, so that beyond them there is nothing to gain. The default is as many as there are.
	Workers int
}

// Pipeline reads files, tracks what the caller decodes of them, and hands finished connections to a sink. The sink gets the same
// facts in the same order however many workers there are, for segments are tracked one after the other.
//
//	p := NewPipeline(files, options, sink)
//	defer p.Close()
//	for p.Next(&packet) == nil {
//		if decoder.Decode(&packet, p.Room()) == TCP {
//			p.Take(&packet, decoder.Joined())
//		}
//	}
//	p.Flush()
//
// Next, Room, Take, Flush and Close are for one goroutine. With less than three workers they call the sink.
type Pipeline struct {
	*Merged
	tracker *Tracker
	blocks  keptBlocks
	size    int    // segments of a batch
	filling *batch // gathers segments

	// With one worker all of this is nil.
	toTrack, tracked   chan *batch
	toReport, reported chan *reports
	ownReports         chan *reports // toReport where the calling goroutine calls the sink; else nil
	pending            int           // batches handed over that have not come back
	wait               sync.WaitGroup
	sink               ConnectionSink
	closer             lateCloser // of the goroutine that calls the sink
}

// queued is a segment with what the tracker has to know of its packet.
type queued struct {
	segment Segment
	number  int64
	time    int64
	tag     uint32 // hash of its endpoints
	hint    uint32 // index of the connection that warm found for it; 0: none
}

// batch is a run of segments. Their payloads lie in the files' blocks.
type batch struct {
	segments []queued // as many as there is room for
	n        int      // of them that are filled
	blocks   [][]byte // that nothing else looks at once the batch is done
	flush    bool     // the capture ends after it
}

// NewPipeline makes a pipeline that reads the files as one capture, in time order, as Merge does. The files stay the caller's to close,
// after the pipeline.
func NewPipeline(files []*File, o PipelineOptions, sink ConnectionSink) *Pipeline {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	p := &Pipeline{Merged: Merge(files), tracker: NewTracker(o.TrackerOptions, sink), size: inlineBatch}
	for _, f := range files {
		f.blocks.kept = &p.blocks
		f.beforeSecrets = p.drain // who looks for secrets sees those that lie before the packet, as when reading one by one
	}
	if o.Workers > 1 && o.Early == nil {
		p.size = handedBatch
		p.start(o.Workers, sink)
	}
	p.filling = p.newBatch()
	p.blocks.full = p.cut
	return p
}

func (p *Pipeline) newBatch() *batch { return &batch{segments: make([]queued, p.size)} }

// Room is where the next segment is to be decoded to, so that it need not be copied. It is valid until the next Take.
func (p *Pipeline) Room() *Segment { return &p.filling.segments[p.filling.n].segment }

// Take takes the segment in Room, which was decoded from the packet. joined says that its payload is not in the packet.
func (p *Pipeline) Take(q *Packet, joined bool) {
	b := p.filling
	x := &b.segments[b.n]
	x.number, x.time, x.tag = q.Number, q.Time, p.tracker.table.hash(&x.segment)
	if joined {
		x.segment.Payload = append([]byte(nil), x.segment.Payload...)
	}
	if b.n++; b.n == p.size {
		p.cut()
	}
}

// cut sends the batch on its way and begins another one.
func (p *Pipeline) cut() {
	b := p.filling
	b.blocks = p.blocks.handOver(b.blocks[:0])
	if p.toTrack == nil {
		p.tracker.batch(b)
		p.done(b)
		return
	}
	idle := len(p.tracked) == p.pending
	p.toTrack <- b
	p.pending++
	if idle { // packets come slowly: what is finished should not wait for more of them
		p.reportReady()
	}
	if p.pending < underway {
		p.filling = p.newBatch()
		return
	}
	p.done(p.next())
}

// next waits for a batch that was tracked. In the meantime it reports what is finished, where that has no goroutine of its own: two that
// take turns on one processor, beside the one that tracks, lose more by waking each other than they gain.
func (p *Pipeline) next() *batch {
	for {
		select {
		case b := <-p.tracked:
			p.pending--
			return b
		case r := <-p.ownReports:
			p.handOver(r)
		}
	}
}

// reportReady reports what is finished, where that has no goroutine of its own.
func (p *Pipeline) reportReady() {
	for {
		select {
		case r := <-p.ownReports:
			p.handOver(r)
		default:
			return
		}
	}
}

// done takes a batch back that was tracked, to be filled again.
func (p *Pipeline) done(b *batch) {
	p.blocks.give(b.blocks)
	b.n, b.flush = 0, false
	p.filling = b
}

// drain waits until all segments so far have been tracked.
func (p *Pipeline) drain() {
	if p.filling.n > 0 {
		p.cut()
	}
	for p.pending > 0 {
		p.blocks.give(p.next().blocks)
	}
}

// Flush finishes all connections, because the capture has ended. The sink has got them all when it returns.
func (p *Pipeline) Flush() {
	p.filling.flush = true
	p.cut()
	p.Close()
}

// Close ends the pipeline without finishing connections, unless Flush has. It is needed where Flush is not called, and harmless
// elsewhere.
func (p *Pipeline) Close() {
	if p.toTrack == nil {
		return
	}
	close(p.toTrack)
	if p.ownReports != nil {
		p.report()
		p.ownReports = nil // it is closed
	}
	for p.pending > 0 {
		p.next()
	}
	p.wait.Wait()
	p.toTrack = nil
}

// Stats is what was counted. It is valid after Flush or Close.
func (p *Pipeline) Stats() TrackerStats {
	s := p.tracker.Stats()
	s.Gaps += p.closer.counted.Gaps // concluding counts nothing else
	s.MissedBytes += p.closer.counted.MissedBytes
	return s
}

// batch tracks the segments of b.
func (t *Tracker) batch(b *batch) {
	segments := b.segments[:b.n]
	t.table.warm(segments)
	if t.crowded(len(segments)) {
		t.table.warmOldest(t.active.head, len(segments))
	}
	for i := range segments {
		x := &segments[i]
		t.packet, t.now = x.number, x.time
		t.segment(x.tag, x.hint, &x.segment)
	}
	if b.flush {
		t.Flush()
	}
}

// start makes the goroutines.
func (p *Pipeline) start(workers int, sink ConnectionSink) {
	p.toTrack, p.tracked = make(chan *batch, underway), make(chan *batch, underway)
	p.toReport, p.reported = make(chan *reports, underway), make(chan *reports, underway)
	p.sink = sink
	p.closer.begin()
	p.tracker.later = &laterReports{to: p.toReport, back: p.reported}
	p.wait.Go(p.track)
	if workers > 2 {
		p.wait.Go(p.report)
	} else {
		p.ownReports = p.toReport
	}
}

// track is the goroutine that tracks.
func (p *Pipeline) track() {
	defer close(p.toReport)
	for b := range p.toTrack {
		for rest := b.segments[:b.n]; ; rest = rest[inlineBatch:] {
			if len(rest) <= inlineBatch {
				p.tracker.batch(&batch{segments: rest, n: len(rest), flush: b.flush})
				break
			}
			p.tracker.batch(&batch{segments: rest[:inlineBatch], n: inlineBatch})
		}
		p.tracker.later.send(1)
		p.tracked <- b
	}
}
