package savefile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// diskFullIn names, in the environment of a child, which kind of full disk it meets.
const diskFullIn = "SAVEFILE_TEST_DISK_FULL"

// TestDiskFull writes until there is no more room, in child processes: on a small file system of their own, and up to the limit on the
// size of a file. The kernel tears the last write; the file has to be whole.
func TestDiskFull(t *testing.T) {
	if kind := os.Getenv(diskFullIn); kind != "" {
		fillDisk(t, kind)
		return
	}
	for _, tt := range []struct {
		kind       string
		namespaces uintptr
		says       string
	}{
		{"file system", syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, "no space left on device while writing it"},
		{"limit", 0, "file too large while writing it"},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
			cmd.Env = append(os.Environ(), diskFullIn+"="+tt.kind, "TMPDIR="+t.TempDir())
			if tt.namespaces != 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: tt.namespaces,
					UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
					GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
			}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Start()
			if err != nil {
				t.Skipf("SKIPPED: no process in namespaces of its own here (%v), so that no real disk was filled", err)
			}
			err = cmd.Wait()
			switch {
			case strings.Contains(out.String(), "SKIPPED"):
				t.Skip(out.String())
			case err != nil || !strings.Contains(out.String(), tt.says):
				t.Errorf("%v, want a child that says %q:\n%s", err, tt.says, &out)
			}
		})
	}
}

// fillDisk is the child.
func fillDisk(t *testing.T, kind string) {
	dir := t.TempDir()
	const room = 300 << 10
	switch kind {
	case "file system":
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", room)); err != nil {
			t.Skipf("SKIPPED: no file system may be mounted here (%v)", err)
		}
		defer syscall.Unmount(dir, 0)
	case "limit":
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, "f")
	w := mustCreate(t, Options{Name: name, Interfaces: ethernet()})
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		err = w.Packet(testPacket(i+1, 1001))
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("no error of the file, but %v", err)
	}
	fmt.Println(err)
	mustClose(t, w)
	packets, _ := readFile(t, name) // fails when the last block is torn
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(packets)) != e.Packets || info.Size() != e.Bytes || len(packets) < (room-flushAt)/2000 {
		t.Errorf("the file has %d packets and %d bytes, the error says %d and %d", len(packets), info.Size(), e.Packets, e.Bytes)
	}
}
