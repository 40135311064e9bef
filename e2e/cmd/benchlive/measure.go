package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bounds on what one measurement may take.
const (
	startTimeout = 30 * time.Second
	settle       = 500 * time.Millisecond // before the load, for what starting takes, and after it, for the last packets
)

// watcher is a program that captures.
type watcher struct {
	name   string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ready  chan struct{}
	read   chan struct{} // closed when standard error has ended
}

// counted is what one said at its end, and what it took while the load lasted.
type counted struct {
	cpu                         time.Duration
	captured, received, dropped int64
}

// startWatcher starts one and waits until it captures.
func startWatcher(name, ready string, env []string, args ...string) (*watcher, error) {
	w := &watcher{name: name, cmd: exec.Command(args[0], args[1:]...), ready: make(chan struct{}), read: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), env...)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := w.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(w.read)
		said := false
		for buffer := make([]byte, 4096); ; {
			n, err := pipe.Read(buffer)
			w.stderr.Write(buffer[:n])
			if !said && strings.Contains(w.stderr.String(), ready) {
				said = true
				close(w.ready)
			}
			if err == io.EOF || err != nil {
				return
			}
		}
	}()
	select {
	case <-w.ready:
		return w, nil
	case <-w.read:
		return nil, fmt.Errorf("%s: %v\n%s", name, w.cmd.Wait(), w.stderr.String())
	case <-time.After(startTimeout):
		w.cmd.Process.Kill()
		return nil, fmt.Errorf("%s does not capture", name)
	}
}

var numbers = regexp.MustCompile(`(?m)^(\d+) packets (captured|received by filter|dropped by kernel)`)

// cpu is what it and its children have taken so far, of all threads that are there.
func (w *watcher) cpu() time.Duration { return cpuOf(w.cmd.Process.Pid) }

func cpuOf(pid int) (total time.Duration) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task + "/schedstat") // "on CPU, in ns; waiting, in ns; time slices"
		if fields := strings.Fields(string(text)); len(fields) > 0 {
			n, _ := strconv.ParseInt(fields[0], 10, 64)
			total += time.Duration(n)
		}
		children, _ := os.ReadFile(task + "/children")
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				total += cpuOf(n)
			}
		}
	}
	return total
}

// stop ends it and reads its numbers.
func (w *watcher) stop() (c counted, err error) {
	w.cmd.Process.Signal(os.Interrupt)
	<-w.read
	if err := w.cmd.Wait(); err != nil {
		return c, fmt.Errorf("%s: %w\n%s", w.name, err, w.stderr.String())
	}
	for _, m := range numbers.FindAllStringSubmatch(w.stderr.String(), -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		switch m[2] {
		case "captured":
			c.captured = n
		case "dropped by kernel":
			c.dropped = n
		default:
			c.received = n
		}
	}
	return c, nil
}

// path is a way from the client to etcd.
type path struct {
	name, device, host string
	far                *network
}

func (b *bench) measure(ctx context.Context) error {
	fmt.Printf("%d processors, %s; etcdtap with one (GOMAXPROCS=1, pinned); bulk: etcdctl get of %d values of %d bytes, again and again\n",
		runtime.NumCPU(), kernel(), values, valueSize)
	for _, p := range []path{{"loopback, 64 KiB segments", "lo", "127.0.0.1", nil}, {"wire, 1500 byte packets", nearName, nearAddress, b.far}} {
		var ratios, costs []float64
		var clean = true
		for range b.rounds {
			tap, dump, bytes, err := b.round(ctx, &p)
			if err != nil {
				return err
			}
			ratio := float64(tap.cpu) / float64(dump.cpu)
			ratios = append(ratios, ratio)
			costs = append(costs, float64(tap.cpu.Nanoseconds())/float64(max(tap.captured, 1)))
			clean = clean && (tap.dropped == 0 || dump.dropped > 0)
			fmt.Printf("%-26s %5.0f MB/s %7.0f packets/s   etcdtap %5.0f ms, %d dropped   tcpdump -w /dev/null %5.0f ms, %d dropped   ratio %.2f\n", p.name,
				float64(bytes)/b.duration.Seconds()/1e6, float64(tap.captured)/b.duration.Seconds(), ms(tap.cpu), tap.dropped, ms(dump.cpu), dump.dropped, ratio)
		}
		slices.Sort(ratios)
		slices.Sort(costs)
		fmt.Printf("%-26s median: %.0f ns of CPU for each packet, %.2f times tcpdump's; dropped where tcpdump dropped none: %v\n\n", p.name, costs[len(costs)/2], ratios[len(ratios)/2], !clean)
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// round lets both watch the same load.
func (b *bench) round(ctx context.Context, p *path) (tap, dump counted, bytes int64, err error) {
	core := strconv.Itoa(runtime.NumCPU() - 1)
	t, err := startWatcher("etcdtap", "capturing on", []string{"GOMAXPROCS=1"}, "taskset", "-c", core, b.etcdtap, "capture", "-i", p.device, "-Z", "root", "--pki=", "--etcd-config=")
	if err != nil {
		return tap, dump, 0, err
	}
	defer t.cmd.Process.Kill()
	d, err := startWatcher("tcpdump", "listening on", nil, "taskset", "-c", core, "tcpdump", "-i", p.device, "-n", "-B", "16384", "-Z", "root", "-w", "/dev/null", "tcp port 2379 or tcp port 2380 or tcp port 2381")
	if err != nil {
		return tap, dump, 0, err
	}
	defer d.cmd.Process.Kill()
	time.Sleep(settle)
	tapBefore, dumpBefore := t.cpu(), d.cpu()
	if bytes, err = b.load(ctx, p); err != nil {
		return tap, dump, 0, err
	}
	time.Sleep(settle)
	tapTook, dumpTook := t.cpu()-tapBefore, d.cpu()-dumpBefore
	if tap, err = t.stop(); err != nil {
		return tap, dump, 0, err
	}
	dump, err = d.stop()
	tap.cpu, dump.cpu = tapTook, dumpTook
	return tap, dump, bytes, err
}

// load fetches all values until the time is over, and counts the bytes.
func (b *bench) load(ctx context.Context, p *path) (total int64, err error) {
	for end := time.Now().Add(b.duration); time.Now().Before(end); {
		cmd := b.etcdctl(ctx, p.far, p.host, "get", "--prefix", "bulk/", "--print-value-only")
		cmd.Stdout = nil // to /dev/null by the kernel
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("etcdctl get: %w", err)
		}
		total += values * valueSize
	}
	return total, nil
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(text))
}
