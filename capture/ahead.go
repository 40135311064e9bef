package capture

import "io"

// aheadBlocks is how many decompressed blocks wait at the most: enough that neither side waits for the other for long.
const aheadBlocks = 4

// aheadReader decompresses in a goroutine of its own, some blocks ahead of who reads: on two processors reading a compressed file
// then takes hardly longer than decompressing it. It begins when the file is read in earnest, see firstBlock. Reads do not wait for
// anything but the disk, so that close may wait for the goroutine: it is not for pipes.
type aheadReader struct {
	r       io.Reader
	direct  int         // bytes that were read without the goroutine
	full    chan []byte // decompressed; closed behind the last block
	empty   chan []byte // to be used again
	stop    chan struct{}
	block   []byte // the one being read, whole
	rest    []byte // what is left of it
	err     error  // how r has ended; valid once full is closed
	started bool
}

func (a *aheadReader) Read(p []byte) (int, error) {
	if !a.started {
		if a.direct < firstBlock {
			n, err := a.r.Read(p)
			a.direct += n
			return n, err
		}
		a.start()
	}
	if len(a.rest) == 0 {
		if a.block != nil {
			if a.empty != nil {
				a.empty <- a.block // there is room for all
			}
			a.block = nil
		}
		block, ok := <-a.full
		if !ok {
			a.empty = nil // the goroutine is gone, and with the file being done its blocks may go
			return 0, a.err
		}
		a.block, a.rest = block[:cap(block)], block
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *aheadReader) start() {
	a.started = true
	a.full, a.empty, a.stop = make(chan []byte, aheadBlocks), make(chan []byte, aheadBlocks), make(chan struct{})
	for range aheadBlocks {
		a.empty <- make([]byte, fullBlock)
	}
	go a.decompress()
}

// decompress fills blocks until the input ends or nobody reads any more.
func (a *aheadReader) decompress() {
	defer close(a.full)
	for {
		select {
		case <-a.stop:
			return
		case b := <-a.empty:
			n, err := a.fill(b)
			if n > 0 {
				a.full <- b[:n] // there is room for all
			}
			if err != nil {
				a.err = err
				return
			}
		}
	}
}

// fill reads a whole block, or what there is.
func (a *aheadReader) fill(b []byte) (n int, err error) {
	for empty := 0; n < len(b) && err == nil; {
		var got int
		got, err = a.r.Read(b[n:])
		n += got
		if empty++; got > 0 {
			empty = 0
		} else if empty == maxEmptyReads && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

// close ends the goroutine. Nothing is read after it.
func (a *aheadReader) close() {
	if !a.started {
		return
	}
	close(a.stop)
	for range a.full { // until it is closed
	}
}
