package savefile

import (
	"fmt"
	"strings"
	"time"
)

// maxName bounds a file's name in bytes: Linux's PATH_MAX, without the zero.
const maxName = 4095

// rotation decides when a file ends and what the next one is called, as tcpdump does (tcpdump.c, MakeFilename and
// dump_packet_and_trunc; tcpdump 4.99).
//
//   - With RotateSize files are called NAME, NAME1, NAME2 and so on. With Files they are a ring, and all have as many digits as
//     the highest needs: NAME00 to NAME11 for twelve.
//   - With RotateEvery NAME goes through strftime with the local time at which the file was begun. A NAME without conversions is
//     written over. After Files files the capture ends.
//   - With both, each file of RotateEvery begins the count of RotateSize anew, and Files is the ring's size only.
//   - Files alone does nothing.
type rotation struct {
	rotates bool // there is something to decide
	digits  int  // of the number; 0: as many as it has, and none for 0
	ring    int  // files of RotateSize since the last of RotateEvery
	windows int  // files of RotateEvery that have ended
	since   time.Time
}

func (r *rotation) begin(o *Options) {
	r.rotates = o.RotateSize > 0 || o.RotateEvery > 0
	r.since = o.Now()
	if o.RotateSize > 0 {
		for n := o.Files - 1; n > 0; n /= 10 {
			r.digits++
		}
	}
}

// fileName is the name of the file that is due.
func (r *rotation) fileName(o *Options) (string, error) {
	if o.Name == stdout {
		return stdout, nil
	}
	name := o.Name
	if o.RotateEvery > 0 {
		name = strftime(name, r.since)
	}
	if r.ring > 0 || r.digits > 0 {
		name += fmt.Sprintf("%0*d", r.digits, r.ring)
	}
	if name == "" || len(name) > maxName || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("%q makes a file name of %d bytes, expected 1 to %d without a zero: give a shorter one", abbreviated(o.Name), len(name), maxName)
	}
	return name, nil
}

func abbreviated(s string) string {
	const shown = 80
	if len(s) > shown {
		return s[:shown] + "..."
	}
	return s
}

// rotate changes the file when that is due before a packet.
func (w *Writer) rotate() error {
	r, o := &w.rotation, &w.options
	if o.RotateEvery > 0 {
		// Whole seconds, as tcpdump counts them. A clock that was set back makes a file longer.
		if now := o.Now(); now.Unix()-r.since.Unix() >= int64(o.RotateEvery/time.Second) {
			r.since = now
			r.windows++
			r.ring = 0
			if err := w.closeFile(); err != nil {
				return err
			}
			if o.RotateSize == 0 && o.Files > 0 && r.windows >= o.Files {
				w.err = ErrFilesWritten
				return w.err
			}
			if err := w.next(); err != nil {
				return err
			}
		}
	}
	if o.RotateSize > 0 && w.size() > o.RotateSize {
		if err := w.closeFile(); err != nil {
			return err
		}
		r.ring++
		if o.Files > 0 && r.ring >= o.Files {
			r.ring = 0
		}
		return w.next()
	}
	return nil
}

// next opens the next file; if that fails there is none.
func (w *Writer) next() error {
	if err := w.open(); err != nil {
		w.err = err
	}
	return w.err
}
