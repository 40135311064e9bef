package savefile

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
)

// Error says which capture file cannot be written, what was found and what to do next. errors.Is finds the system's error in it.
type Error struct {
	Name    string // of the file; "-" is standard output
	Doing   string // "opening", "writing", "closing"
	Packets int64  // whole packets that the file holds; valid iff Doing is not "opening"
	Bytes   int64  // its length
	Err     error  // the cause
	advice  string // overrides the cause's
}

func (e *Error) Error() string {
	name := strconv.Quote(e.Name)
	if !strings.ContainsAny(name[1:len(name)-1], `\" `) {
		name = e.Name
	}
	if e.Name == stdout {
		name = "standard output"
	}
	advice := e.advice
	if advice == "" {
		advice = adviceFor(e.Err)
	}
	if e.Doing == "opening" {
		return fmt.Sprintf("%s cannot be opened to be written: %s: %s", name, cause(e.Err), advice)
	}
	return fmt.Sprintf("%s: %s while %s it: %d packets (%d bytes) are in it and can be read, the rest is lost: %s",
		name, cause(e.Err), e.Doing, e.Packets, e.Bytes, advice)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// cause leaves out what the sentence says already: the call and the name.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

const adviceFull = "make room (df -h), or bound what is kept with -C and -W"

func adviceFor(err error) string {
	switch {
	case full(err):
		return adviceFull + ", or with --write-handshakes"
	case errors.Is(err, syscall.EFBIG):
		return "the limit on the size of a file was reached: raise it (ulimit -f), or begin new files with -C"
	case errors.Is(err, syscall.EPIPE):
		return "whoever read it has gone: start the reader again"
	case errors.Is(err, fs.ErrPermission):
		return "choose a directory that this user may write to (ls -ld), or chown it"
	case errors.Is(err, fs.ErrNotExist):
		return "make the directory (mkdir -p)"
	case errors.Is(err, syscall.EISDIR):
		return "name a file in it"
	case errors.Is(err, syscall.EROFS):
		return "choose a file system that may be written to (findmnt)"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "raise the limit on open files (ulimit -n)"
	}
	return "look at the file system (dmesg, df -h)"
}
