package savefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/etcdtap/etcdtap/capture"
)

// partial is a file that takes so many bytes.
type partial struct {
	bytes.Buffer
	room int
}

func (p *partial) Write(b []byte) (int, error) {
	n := min(len(b), p.room)
	p.room -= n
	p.Buffer.Write(b[:n])
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// TestTornWrite: wherever a write is torn, the number of whole packets is told rightly, and nothing is written after it. A pipe cannot
// be cut back: what was written of the last packet stays, and a reader says that it is cut off.
func TestTornWrite(t *testing.T) {
	for room := 100; room < 3000; room += 7 {
		out := &partial{room: room}
		w, err := Create(Options{Name: "-", Stdout: out, Interfaces: ethernet(), Comment: strings.Repeat("x", 60)})
		if err != nil {
			continue // no room for the header
		}
		for i := range 40 {
			mustWrite(t, w, testPacket(i+1, 60))
		}
		err = w.Flush()
		if out.room > 0 && err == nil {
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room for %d bytes: %v, want an *Error of ENOSPC", room, err)
		}
		length := out.Len()
		if again := w.Packet(testPacket(41, 60)); again != err {
			t.Errorf("the next Packet gives %v, want the error again", again)
		}
		if err := w.Close(); err != nil {
			t.Errorf("Close gives %v, want nothing that was not told", err)
		}
		if out.Len() != length {
			t.Error("something was written after the error")
		}
		if got := countPackets(t, &out.Buffer); got != e.Packets {
			t.Fatalf("room for %d bytes: %d packets can be read, the error says %d", room, got, e.Packets)
		}
	}
}

// countPackets reads a file that may be cut off.
func countPackets(t *testing.T, b *bytes.Buffer) (n int64) {
	t.Helper()
	f, err := capture.OpenReader("test", b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		var p capture.Packet
		if err := f.Next(&p); err != nil {
			return n
		}
		n++
	}
}

// TestErrors: what is told when a file cannot be opened or written.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		file string
		want []string
	}{
		{"no directory", filepath.Join(dir, "none", "a"), []string{"a cannot be opened to be written", "no such file", "mkdir"}},
		{"a directory", dir, []string{"is a directory", "name a file in it"}},
		{"a file as directory", filepath.Join(os.Args[0], "a"), []string{"not a directory"}},
		{"a full disk", "/dev/full", []string{"/dev/full: no space left on device while writing it: 0 packets (0 bytes) are in it", "df -h"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := os.Stat("/dev/full"); tt.file == "/dev/full" && err != nil {
				t.Skip("SKIPPED: there is no /dev/full here")
			}
			_, err := Create(Options{Name: tt.file, Interfaces: ethernet()})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v, want an *Error", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
		})
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if _, err := Create(Options{Name: "/dev/full", Interfaces: ethernet(), HandshakesOnly: true}); strings.Contains(err.Error(), "--write-handshakes") {
			t.Errorf("%q advises what is done already", err)
		}
	}
	if err := (&Error{Name: "a\x1b[31m", Doing: "opening", Err: fs.ErrPermission}); strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q reaches a terminal as it is", err)
	}
}

// TestReaderGone: a pipe whose reader has left.
func TestReaderGone(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	w := mustCreate(t, Options{Name: "-", Stdout: p, Interfaces: ethernet()})
	mustWrite(t, w, testPacket(1, 60))
	r.Close()
	if err := w.Flush(); !errors.Is(err, syscall.EPIPE) || !strings.HasPrefix(err.Error(), "standard output: broken pipe") {
		t.Errorf("Flush gives %v, want a broken pipe of standard output", err)
	}
}

// TestNextFileFails: when a rotation cannot open its next file, those before it are whole.
func TestNextFileFails(t *testing.T) {
	dir := t.TempDir()
	w := mustCreate(t, Options{Name: filepath.Join(dir, "f"), Interfaces: ethernet(), RotateSize: 1})
	if err := os.Mkdir(filepath.Join(dir, "f2"), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	n := 0
	for ; err == nil && n < 10; n++ {
		err = w.Packet(testPacket(n+1, 60))
	}
	if !errors.Is(err, syscall.EISDIR) {
		t.Fatalf("Packet gives %v, want that f2 is a directory", err)
	}
	mustClose(t, w)
	os.Remove(filepath.Join(dir, "f2"))
	files := filesIn(t, dir)
	if len(files) != 2 || files["f"] != "0-0" || files["f1"] != "1-1" {
		t.Errorf("files are %v, want an empty one (a limit of one byte is less than its header) and one with the first packet", files)
	}
}

// TestExistingFile: a file is made for its owner alone; one that is there is written over and keeps its mode.
func TestExistingFile(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name   string
		before fs.FileMode
		want   fs.FileMode
	}{{"new", 0, 0o600}, {"old", 0o640, 0o640}} {
		name := filepath.Join(dir, tt.name)
		if tt.before != 0 {
			if err := os.WriteFile(name, make([]byte, 10_000), tt.before); err != nil {
				t.Fatal(err)
			}
		}
		w := mustCreate(t, Options{Name: name, Interfaces: ethernet()})
		mustWrite(t, w, testPacket(1, 60))
		mustClose(t, w)
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != tt.want {
			t.Errorf("%s has mode %v, want %v", tt.name, info.Mode().Perm(), tt.want)
		}
		if packets, _ := readFile(t, name); len(packets) != 1 {
			t.Errorf("%s has %d packets, want 1", tt.name, len(packets))
		}
	}
}

// TestSymlinks: a link is followed where only its owner can have put it, and never in a directory like /tmp.
func TestSymlinks(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		dir := t.TempDir()
		if sticky {
			if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
				t.Fatal(err)
			}
		}
		target, link := filepath.Join(t.TempDir(), "target"), filepath.Join(dir, "link")
		if err := os.Symlink(target, link); err != nil {
			t.Skipf("SKIPPED: no symbolic links here (%v)", err)
		}
		w, err := Create(Options{Name: link, Interfaces: ethernet()})
		if err == nil {
			w.Close()
		}
		_, statErr := os.Stat(target)
		if followed := statErr == nil; followed == sticky || (err == nil) == sticky {
			t.Errorf("sticky %v: followed %v, error %v", sticky, followed, err)
		}
		if sticky && (err == nil || !strings.Contains(err.Error(), "symbolic link")) {
			t.Errorf("the error is %v, want a word about the link", err)
		}
	}
}

// TestOwner: files are given to the user that the process becomes later, and a stranger's file in a shared directory is left alone.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: not root, so that no file was given away")
	}
	const nobody = 65534
	id := nobody
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	w := mustCreate(t, Options{Name: name, Interfaces: ethernet(), UID: &id, GID: &id})
	mustClose(t, w)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if owner, known := ownerOf(info); known && owner != nobody {
		t.Errorf("the file belongs to %d, want %d", owner, nobody)
	}
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if w, err := Create(Options{Name: name, Interfaces: ethernet(), UID: &id}); err == nil {
		w.Close()
	} else if !errors.Is(err, fs.ErrPermission) { // which Linux gives where fs.protected_regular is set
		t.Errorf("a file of the user that we become: %v", err)
	}
	if w, err := Create(Options{Name: name, Interfaces: ethernet()}); err == nil {
		w.Close()
		t.Error("a stranger's file in a shared directory was taken")
	}
}
