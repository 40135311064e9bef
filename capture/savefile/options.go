// Package savefile writes capture files: what a live capture saw, with tcpdump's rotation, and packets made up of what passed
// through a proxy.
//
// A Writer writes pcapng with nanoseconds. Blocks are encoded here and not by gopacket's pcapgo.NgWriter, because two things have to
// be known that it does not tell: where in its buffer a block ends, so that a full disk can be answered by cutting the file back to its
// last whole packet, and how long the file is with what is still buffered, which tcpdump's -C is about.
//
// A Conversation turns one proxied connection into packets.
//
// Nothing here is safe for concurrent use: one goroutine writes.
package savefile

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/etcdtap/etcdtap/capture"
)

// Options says what is written where. Only Name and Interfaces are needed.
type Options struct {
	Name       string      // of the file; with RotateEvery strftime(3) conversions in it are filled in. "-" is Stdout
	Stdout     io.Writer   // valid iff Name is "-"; not closed
	Interfaces []Interface // that packets come from, by Packet.Interface

	Host           string // system and host that captured: "Linux 6.8.0-45-generic, control-plane-1" (shb_os)
	Hardware       string // its processor: "amd64" (shb_hardware)
	Tool           string // what wrote the file: "etcdtap v1.2.3" (shb_userappl)
	Comment        string // of whoever captured
	HandshakesOnly bool   // says in the file that bulk data was left out (capture.Tracker.Useful): capture.HandshakesOnly, a comment of its own

	RotateSize  int64         // bytes; a packet that meets a file larger than that goes to the next one (tcpdump -C). 0 is never
	RotateEvery time.Duration // whole seconds; a packet that comes later after the file's beginning goes to the next one (tcpdump -G). 0 is never
	Files       int           // tcpdump -W: how many files a ring of RotateSize has, or after how many of RotateEvery ErrFilesWritten comes. 0 is no limit
	Unbuffered  bool          // each packet is written at once (tcpdump -U)

	UID, GID *int             // the files' owner, when another than that of the process; nil leaves it (tcpdump -Z)
	Now      func() time.Time // the clock of RotateEvery and of statistics; nil is time.Now
}

// Interface is where packets were captured.
type Interface struct {
	Name        string
	Description string
	Link        capture.LinkType
	SnapLength  int    // most bytes kept of a packet; 0 is no limit
	Filter      string // as tcpdump would take it
}

// ErrFilesWritten ends a capture that wrote as many files as were asked for: Options.Files with RotateEvery and without
// RotateSize. All of them are whole and closed. It is no failure: the command ends with status 0, as tcpdump does.
var ErrFilesWritten = errors.New("maximum file limit reached")

// check refuses what cannot be done.
func (o *Options) check() error {
	switch {
	case o.Name == "":
		return errors.New("expected the name of a file to write to, found an empty one: give one, or - for standard output")
	case len(o.Interfaces) == 0:
		return errors.New("a capture file needs an interface that its packets come from")
	case o.Name == stdout && o.Stdout == nil:
		return errors.New("standard output is closed: give a file's name")
	case o.Name == stdout && (o.RotateSize != 0 || o.RotateEvery != 0):
		return errors.New("standard output cannot be rotated: give a file's name, or leave out -C and -G")
	case o.RotateSize < 0 || o.RotateEvery < 0 || o.Files < 0:
		return fmt.Errorf("expected sizes and counts of rotation above 0, found %d bytes, %s, %d files", o.RotateSize, o.RotateEvery, o.Files)
	case o.RotateEvery%time.Second != 0:
		return fmt.Errorf("expected whole seconds between two files, found %s", o.RotateEvery)
	}
	return nil
}

// stdout is the name that stands for Options.Stdout.
const stdout = "-"
