package capture

import (
	"io"
	"os"
	"sync/atomic"
)

// File is a capture file being read: pcap or pcapng, plain or compressed, on disk or from a pipe. It reads as a stream, in
// one pass and with one block in memory, so that neither the size of the file nor what it decompresses to matters. It is used by
// one goroutine; Size and Offset alone may be called by another.
type File struct {
	name          string
	size          int64
	input         *countedReader
	closers       []func() // in the order in which to call them
	blocks        blockReader
	format        format
	stats         Stats
	secrets       []Secrets
	secretBytes   int64  // in secrets
	beforeSecrets func() // called before secrets are added, where others look at them while the file is read; nil otherwise
	err           error  // what Next has ended with

	handshakesOnly bool // of the pcapng section being read
}

// format is one of the two file formats.
type format interface {
	// next fills p with the next packet, all but its number.
	next(f *File, p *Packet) error
}

// Name is the name the file was opened by; "-" is standard input.
func (f *File) Name() string { return f.name }

// Size is the length of the file in bytes as it lies on disk, compressed if it is; 0 when it has none (a pipe).
func (f *File) Size() int64 { return f.size }

// Offset says how many bytes of the file, compressed if it is, have been consumed.
func (f *File) Offset() int64 { return f.input.n.Load() }

// Stats says what has been read so far. Its slices are valid until the next Next.
func (f *File) Stats() Stats { return f.stats }

// Secrets returns the decryption secrets found so far, in the order of the file, at most maxSecrets bytes of them.
func (f *File) Secrets() []Secrets { return f.secrets }

// HandshakesOnly reports whether the packets that Next gives are what --write-handshakes has kept: then bytes are missing between a
// connection's handshake and its end by intent. It speaks of the pcapng section that the last packet came from, and is valid after the
// first Next.
func (f *File) HandshakesOnly() bool { return f.handshakesOnly }

// Close closes the file; standard input stays open.
func (f *File) Close() error {
	for _, c := range f.closers {
		c()
	}
	f.closers = nil
	f.blocks.release()
	return nil
}

// Next implements Source. What it has ended with, it returns ever after.
func (f *File) Next(p *Packet) error {
	if f.err != nil {
		return f.err
	}
	p.Detour = nil
	if err := f.format.next(f, p); err != nil {
		f.end(err)
		return err
	}
	f.stats.Packets++
	f.stats.Bytes += int64(len(p.Data))
	if p.Length > len(p.Data) {
		f.stats.Cut++
	} else if p.Length < len(p.Data) {
		f.stats.Inverted++
		p.Length = len(p.Data)
	}
	p.Number = f.stats.Packets
	return nil
}

// end keeps what the reading ended with and gives the buffer back: of many files that are merged, those that are done hold
// nothing.
func (f *File) end(err error) {
	f.err = err
	f.stats.Truncated, _ = err.(*TruncatedError)
	f.blocks.release()
}

// countedReader counts the bytes that were read and keeps the error of the underlying file, so that a file that cannot be read
// is told from a compressed one that is damaged.
type countedReader struct {
	r   io.Reader
	n   atomic.Int64
	err error // of r, never io.EOF
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// Open opens a capture file and finds out what it is: pcap (microseconds, nanoseconds, or Kuznetzov's variant, in either byte
// order) or pcapng, as it is or compressed by gzip or zstd. The name "-" means stdin. An error is an *OpenError. A file that ends
// within its first header opens, and its first Next returns a *TruncatedError.
func Open(name string, stdin io.Reader) (*File, error) {
	if name == "-" {
		return OpenReader(name, stdin)
	}
	file, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	f := &File{name: name, input: &countedReader{r: file}, closers: []func(){func() { file.Close() }}}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		f.size = info.Size()
	}
	return f.open()
}

// OpenReader is Open for a capture that is already being read. Closing the File does not close r.
func OpenReader(name string, r io.Reader) (*File, error) {
	return (&File{name: name, input: &countedReader{r: r}}).open()
}

func (f *File) open() (*File, error) {
	f.blocks.r = f.input
	if err := f.detect(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openRegular opens what is on disk: a file, a named pipe, a device, but no directory.
func openRegular(name string) (*os.File, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, cannotOpen(name, err)
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, &OpenError{Name: name, Reason: "is a directory, expected a capture file: name the files in it"}
	}
	return file, nil
}
