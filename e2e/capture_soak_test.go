package e2e

import (
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 20*time.Second, "how long connections come and go in the soak test")

// resources is what a process holds.
type resources struct {
	memory      int64 // resident, bytes
	goroutines  int
	descriptors int
}

func (c *tap) resources(t *testing.T, metrics string) (r resources) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", c.cmd.Process.Pid)
	status, err := os.ReadFile(proc + "statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(status)[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	descriptors, _ := filepath.Glob(proc + "fd/*")
	return resources{pages * int64(os.Getpagesize()), int(metric(t, metrics, "go_goroutines")), len(descriptors)}
}

// captureSoak lets connections of all kinds come and go for a while. What etcdtap holds has to stay what it was after the first third.
// -soak 4h makes it a long one.
func captureSoak(t *testing.T, s *site) {
	address := freeAddress(t)
	c := s.capturing(t, "--metrics", address, "-w", filepath.Join(t.TempDir(), "soak.pcapng"), "--write-handshakes", "-o", "json")
	pair, err := tls.LoadX509KeyPair(filepath.Join(s.pki, "healthcheck-client.crt"), filepath.Join(s.pki, "healthcheck-client.key"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
	end := time.Now().Add(*soak)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for time.Now().Before(end) {
				s.reject(t)
				if conn, err := tls.Dial("tcp", s.address(), config); err == nil {
					conn.Close()
				}
				time.Sleep(5 * time.Millisecond) // the machine has others
			}
		})
	}
	time.Sleep(*soak / 3)
	before := c.resources(t, address)
	wg.Wait()
	eventually(t, "connections are tracked that have ended", func() bool { return metric(t, address, "etcdtap_capture_tracked_connections") == 0 })
	after := c.resources(t, address)
	connections := 0
	for _, o := range c.objects(t, "connection") {
		if o["stage"] == "whole" || o["stage"] == "end" || o["stage"] == "update" {
			connections++
		}
	}
	t.Logf("%d connections in %s: before %+v, after %+v", connections, *soak, before, after)
	const memory = 24 << 20 // what a garbage collector may be late with
	if after.memory > before.memory+memory {
		t.Errorf("resident memory grew from %d to %d bytes", before.memory, after.memory)
	}
	const few = 3 // a scrape's own
	if after.goroutines > before.goroutines+few {
		t.Errorf("goroutines: %d, then %d", before.goroutines, after.goroutines)
	}
	if after.descriptors > before.descriptors+few {
		t.Errorf("descriptors: %d, then %d", before.descriptors, after.descriptors)
	}
	c.stop(t)
}
