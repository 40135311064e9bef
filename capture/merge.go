package capture

import (
	"errors"
	"io"
)

// Merged is several files read as one capture, in time order. Within a file the order is the file's own, even where its times run
// backwards; between files the earlier next packet comes first, and of equally early ones that of the file named first.
type Merged struct {
	files     []*File
	heap      []pending // files that have a packet left, the one with the earliest on top
	started   bool
	taken     bool // the top's packet has been handed over, its file has to be read on
	number    int64
	truncated []error
}

// pending is the next packet of a file.
type pending struct {
	packet Packet
	order  int // of the file
}

// Merge joins files into one capture. It reads from them and does not close them. Packets are numbered over all of them. A file
// that is truncated ends there, and the others go on: Next never returns a *TruncatedError, Truncated has them afterwards.
func Merge(files []*File) *Merged { return &Merged{files: files} }

// Truncated returns a *TruncatedError for each file that has ended early so far.
func (m *Merged) Truncated() []error { return m.truncated }

// Next implements Source.
func (m *Merged) Next(p *Packet) error {
	if len(m.files) == 1 {
		return m.ended(m.files[0].Next(p))
	}
	if err := m.advance(); err != nil {
		return err
	}
	if len(m.heap) == 0 {
		return io.EOF
	}
	m.taken = true
	m.number++
	*p = m.heap[0].packet
	p.Number = m.number
	return nil
}

// ended turns a truncation into an end that is remembered.
func (m *Merged) ended(err error) error {
	if err == nil {
		return nil
	}
	if _, truncated := errors.AsType[*TruncatedError](err); !truncated {
		return err
	}
	if len(m.truncated) == 0 || m.truncated[len(m.truncated)-1] != err {
		m.truncated = append(m.truncated, err)
	}
	return io.EOF
}

// advance sees to it that the heap holds the next packet of each file that has one.
func (m *Merged) advance() error {
	if !m.started {
		m.started = true
		return m.start()
	}
	if !m.taken {
		return nil
	}
	m.taken = false
	top := &m.heap[0]
	switch err := m.ended(m.files[top.order].Next(&top.packet)); err {
	case nil:
	case io.EOF:
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	default:
		m.heap = nil
		return err
	}
	m.sink(0)
	return nil
}

// start reads the first packet of each file.
func (m *Merged) start() error {
	for i, file := range m.files {
		first := pending{order: i}
		switch err := m.ended(file.Next(&first.packet)); err {
		case nil:
			m.heap = append(m.heap, first)
		case io.EOF:
		default:
			m.heap = nil
			return err
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return nil
}

// sink moves an entry of the heap down to where those below it are not earlier.
func (m *Merged) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if next := child + 1; next < len(m.heap) && m.heap[next].before(&m.heap[child]) {
			child = next
		}
		if !m.heap[child].before(&m.heap[i]) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}

func (a *pending) before(b *pending) bool {
	if a.packet.Time != b.packet.Time {
		return a.packet.Time < b.packet.Time
	}
	return a.order < b.order
}
