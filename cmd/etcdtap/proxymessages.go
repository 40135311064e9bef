package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// maxMessages is how many messages of the forwarding wait for whoever reads standard error: some KiB.
const maxMessages = 256

// messages hands what forwarding has to say on to out, without letting it wait: when nobody takes it, it is lost, and that is said.
type messages struct {
	out   io.Writer
	lines chan []byte
	lost  atomic.Int64
	stop  chan struct{}
	done  chan struct{}
}

func newMessages(out io.Writer) *messages {
	m := &messages{out: out, lines: make(chan []byte, maxMessages), stop: make(chan struct{}), done: make(chan struct{})}
	go m.run()
	return m
}

// Write implements io.Writer. It never blocks, and never fails.
func (m *messages) Write(line []byte) (int, error) {
	select {
	case m.lines <- bytes.Clone(line):
	default:
		m.lost.Add(1)
	}
	return len(line), nil
}

func (m *messages) run() {
	defer close(m.done)
	for {
		select {
		case line := <-m.lines:
			m.say(line)
		case <-m.stop:
			for len(m.lines) > 0 {
				m.say(<-m.lines)
			}
			return
		}
	}
}

func (m *messages) say(line []byte) {
	m.out.Write(line)
	if n := m.lost.Swap(0); n > 0 {
		fmt.Fprintf(m.out, "etcdtap: warn: %d more messages are lost: nobody took them from standard error in time\n", n)
	}
}

// close says what is left, though it does not wait for ever.
func (m *messages) close() {
	close(m.stop)
	select {
	case <-m.done:
	case <-time.After(grace):
	}
}
