package capture

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// maxLayers bounds compression within compression, which nobody has on purpose.
	maxLayers = 4
	// maxWindow bounds what zstd may hold in memory: the limit of the zstd command (128 MiB, "--ultra -22 --long=27").
	maxWindow = 128 << 20
	// sniffed is how many of the first bytes are looked at to say what a file is that is no capture.
	sniffed = 512
)

// Magic numbers, as the bytes lie in a file.
const (
	magicGzip = "\x1f\x8b"
	magicZstd = "\x28\xb5\x2f\xfd"
)

// detect peels off compression and picks the format by the first bytes.
func (f *File) detect() error {
	for layer := 0; ; layer++ {
		head := string(f.blocks.peek(4))
		compressed := strings.HasPrefix(head, magicGzip) || head == magicZstd || isSkippableFrame(head)
		switch {
		case compressed && layer == maxLayers:
			return &OpenError{Name: f.name, Reason: "is compressed more than 4 times over: decompress it first"}
		case compressed:
			if err := f.decompress(head); err != nil {
				return err
			}
		case f.pickFormat(head):
			return nil
		default:
			return f.notACapture(layer)
		}
	}
}

// pickFormat sets the format that begins with these four bytes, and reports whether there is one.
func (f *File) pickFormat(head string) bool {
	if r := newPcapReader(head); r != nil {
		f.format = r
		return true
	}
	if head == "\x0a\x0d\x0d\x0a" {
		f.format = &pcapngReader{}
		return true
	}
	return false
}

// IsCapture reports whether a file that is not compressed and begins with these four bytes is a capture file, for who expects another.
func IsCapture(head []byte) bool { return new(File).pickFormat(string(head)) }

// isSkippableFrame reports whether a zstd stream begins with a skippable frame (RFC 8878, Section 3.1.2), as pzstd writes it.
func isSkippableFrame(head string) bool {
	return len(head) == 4 && head[0]&0xf0 == 0x50 && head[1:] == "\x2a\x4d\x18"
}

// decompress puts a decompressor between the block reader and what it reads. Both decompressors work as a stream in the calling
// goroutine, or in one of their own (see aheadReader), and hold a window: 32 KiB, or for zstd what the file asks for, up to maxWindow.
func (f *File) decompress(head string) error {
	packed := f.blocks // its buffer has the first bytes, and it reads the rest
	source := &packedReader{packed}
	if strings.HasPrefix(head, magicGzip) {
		z, err := gzip.NewReader(source)
		if err != nil {
			return f.damaged(err)
		}
		f.blocks = blockReader{r: f.ahead(z)}
		return nil
	}
	z, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return f.damaged(err)
	}
	f.closers = append([]func(){z.Close}, f.closers...)
	f.blocks = blockReader{r: f.ahead(z)}
	return nil
}

// ahead lets a decompressor of a file on disk work ahead of who reads.
func (f *File) ahead(z io.Reader) io.Reader {
	if f.size == 0 {
		return z
	}
	a := &aheadReader{r: z}
	f.closers = append([]func(){a.close}, f.closers...)
	return a
}

// packedReader reads through a block reader that has already looked ahead.
type packedReader struct{ b blockReader }

func (r *packedReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.b.peek(1)) == 0 {
		return 0, r.b.err
	}
	n := copy(p, r.b.buf[r.b.pos:r.b.end])
	r.b.take(n)
	return n, nil
}

// notACapture says what the file is instead.
func (f *File) notACapture(layer int) error {
	head := f.blocks.peek(sniffed)
	if f.input.err != nil {
		return cannotOpen(f.name, f.input.err)
	}
	if err := f.blocks.err; err != nil && err != io.EOF && len(head) < 4 {
		return f.damaged(err)
	}
	reason := describe(head, f.name)
	if layer > 0 {
		reason = "holds compressed data that " + reason
	}
	return &OpenError{Name: f.name, Reason: reason}
}

// damaged reports compressed data that cannot be decompressed from the start.
func (f *File) damaged(err error) error {
	if f.input.err != nil {
		return cannotOpen(f.name, f.input.err)
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return &OpenError{Name: f.name, Err: err,
			Reason: "is compressed with a zstd window of more than 128 MiB: run zstd -dc --long=31 " + f.name + " | etcdtap read -"}
	}
	return &OpenError{Name: f.name, Reason: "is damaged compressed data (" + err.Error() + "): copy it again from where it was captured", Err: err}
}

// describe says what the first bytes of a file that is no capture look like, and what to do. It ends a sentence that begins
// with the name of the file.
func describe(head []byte, name string) string {
	if len(head) == 0 {
		return "is empty, expected a pcap or pcapng file: see whether the capture was still running, or had no right to write"
	}
	for _, k := range knownFiles() {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return "is " + k.what + ", expected pcap or pcapng: " + strings.ReplaceAll(k.advice, "FILE", name)
		}
	}
	first := head[:min(len(head), 8)]
	switch {
	case looksLikeEtcdLog(head):
		return "looks like an etcd log, expected a pcap or pcapng file: explain it with etcdtap explain " + name +
			", or join it with a capture: etcdtap read --log " + name + " FILE"
	case looksLikeText(head):
		return "looks like text (" + quoted(head) + "), expected a pcap or pcapng file: capture with tcpdump -w FILE, without it tcpdump prints text"
	case len(head) < 4:
		return "is too short (" + hexBytes(first) + "), expected a pcap or pcapng file: copy it again from where it was captured"
	}
	return "begins with " + hexBytes(first) + ", expected a pcap or pcapng file (also gzip or zstd): see what it is with file " + name
}
