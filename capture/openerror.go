package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"
)

// OpenError says in one line why a file cannot be read as a capture: what was expected, what was found, what to do next.
type OpenError struct {
	Name   string // as given to Open
	Reason string // ends a sentence that begins with the name: "is empty, expected …: …"
	Err    error  // the cause; nil when it is what the file holds. errors.Is finds fs.ErrNotExist in it
}

func (e *OpenError) Error() string { return fmt.Sprintf("%s %s", displayName(e.Name), e.Reason) }

// Unwrap gives the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// TruncatedError ends a capture that stops in the middle of a record or holds a record that cannot be true. The packets before
// it are good.
type TruncatedError struct {
	Name    string // of the file
	Offset  int64  // bytes before the record in question, in the file as it is when decompressed
	Packets int64  // good packets before it
	Reason  string // "cut off in the middle of packet 1204"
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("%s: %s (byte %d): analysed up to there", displayName(e.Name), e.Reason, e.Offset)
}

func displayName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// cannotOpen turns an error of the operating system into one line.
func cannotOpen(name string, err error) *OpenError {
	reason := "cannot be read"
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		reason = "does not exist: check the name, or capture with tcpdump -i any -w " + name + " tcp"
	case errors.Is(err, fs.ErrPermission):
		reason = "may not be read (permission denied): try sudo, or chown it to the user who reads it"
	case errors.As(err, &path):
		reason += ": " + path.Err.Error()
	default:
		reason += ": " + err.Error()
	}
	return &OpenError{Name: name, Reason: reason, Err: err}
}

// knownFile is a kind of file that people hand to a capture reader and that is none.
type knownFile struct{ magic, what, advice string }

func knownFiles() []knownFile {
	return []knownFile{
		{"\xfd7zXZ\x00", "compressed by xz", "run xz -dc FILE | etcdtap read -"},
		{"BZh", "compressed by bzip2", "run bzip2 -dc FILE | etcdtap read -"},
		{"\x04\x22\x4d\x18", "compressed by lz4", "run lz4 -dc FILE | etcdtap read -"},
		{"PK\x03\x04", "a zip archive", "run unzip -p FILE | etcdtap read -"},
		{"snoop\x00\x00\x00", "a snoop capture", "convert it with editcap -F pcap FILE out.pcap"},
		{"GMBU", "a Microsoft Network Monitor capture", "convert it with editcap -F pcap FILE out.pcap"},
		{"RTSS", "a Microsoft Network Monitor 1 capture", "convert it with editcap -F pcap FILE out.pcap"},
		{"\x00\x00\x00\x01\xd4\xc3\xb2\xa1", "a damaged pcap file", "copy it again in binary mode"},
		{"\x7fELF", "a program", "give it the capture"},
		{"-----BEGIN ", "PEM (a certificate or key)", "give it a capture"},
		{"CLIENT_RANDOM ", "a TLS key log", "give it a capture"},
	}
}

// looksLikeEtcdLog reports whether a file begins like etcd's log: zap's JSON or console lines (3.4 and later), or capnslog's.
func looksLikeEtcdLog(head []byte) bool {
	line, _, _ := strings.Cut(string(head), "\n")
	if strings.HasPrefix(line, "{") {
		return strings.Contains(line, `"level":"`) && (strings.Contains(line, `"ts":`) || strings.Contains(line, `"caller":"`))
	}
	return strings.Contains(line, " | ") && (strings.Contains(line, "etcd") || strings.Contains(line, "embed:"))
}

// looksLikeText reports whether the bytes are UTF-8 without control characters. The last ones may be half a character.
func looksLikeText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n <= 1 {
			return len(head) < utf8.UTFMax && !utf8.FullRune(head)
		}
		if r < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", r) {
			return false
		}
		head = head[n:]
	}
	return true
}

// quoted gives the beginning of a text as a Go string literal, so that nothing in it reaches a terminal.
func quoted(text []byte) string {
	const shown = 32
	line, _, _ := strings.Cut(string(text[:min(len(text), shown)]), "\n")
	return strconv.QuoteToASCII(line)
}

func hexBytes(b []byte) string { return fmt.Sprintf("% x", b) }
