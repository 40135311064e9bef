package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// progress draws a bar on standard error while files are read, when both ends are a terminal's business: standard error is one,
// and the sizes are known. The zero value draws nothing.
type progress struct {
	done chan struct{}
	wait sync.WaitGroup
}

const (
	progressDelay = time.Second            // reads shorter than this show none
	progressEvery = 200 * time.Millisecond // between two drawings
	progressWidth = 30                     // characters of the bar
)

func (e *environment) startProgress(files []*capture.File) *progress {
	p := new(progress)
	if _, tty := terminal(e.stderr); !tty {
		return p
	}
	var total int64
	for _, f := range files {
		if f.Size() == 0 {
			return p // a pipe: nobody knows how much is to come
		}
		total += f.Size()
	}
	p.done = make(chan struct{})
	p.wait.Go(func() { p.draw(e.stderr, files, total) })
	return p
}

func (p *progress) draw(w io.Writer, files []*capture.File, total int64) {
	next := time.NewTimer(progressDelay)
	defer next.Stop()
	drawn := false
	for {
		select {
		case <-p.done:
			if drawn {
				fmt.Fprint(w, "\r\x1b[K")
			}
			return
		case <-next.C:
			var read int64
			for _, f := range files {
				read += f.Offset()
			}
			share := min(float64(read)/float64(total), 1)
			n := int(share * progressWidth)
			fmt.Fprintf(w, "\r[%s%s] %3.0f %% of %d MB", strings.Repeat("#", n), strings.Repeat(".", progressWidth-n), share*100, total>>20)
			drawn = true
			next.Reset(progressEvery)
		}
	}
}

// stop takes the bar away.
func (p *progress) stop() {
	if p.done != nil {
		close(p.done)
		p.wait.Wait()
	}
}
