package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// One run takes so long at the most: of a program that reads the whole capture, and of one that reads a slice.
const (
	patience      = 10 * time.Minute
	slicePatience = 20 * time.Second
)

// program is a command that is measured on a file.
type program struct {
	title string
	args  []string // without the capture's name
	last  []string // after the capture's name
	on    *file
	empty *file  // what it takes to read this is not counted; nil: everything counts
	from  string // the Debian package, where it has another name than the program
	runs  []usage
	limit time.Duration // of a run; 0: patience
	never bool          // it did not end in time, and is not tried again
}

// Titles of what is held to targets, and of what they are beside.
const (
	copying    = "tcpdump -w /dev/null"
	asJSON     = "etcdtap -o json"
	withCerts  = "etcdtap -o json --certs"
	twoWorkers = "the same, 2 workers"
	problems   = "etcdtap --problems (text)"
)

// usage is what one run took, as wait4 tells it.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory
}

// programs are what reads the capture. Those that are not installed are left out, and that is said. Those that read a slice start for as
// long as they read, so what they need for an empty capture is not counted.
func (s *settings) programs(whole, slice, empty *file, stderr io.Writer) []program {
	read := func(workers, title string, flags ...string) program {
		return program{title: title, args: append([]string{s.etcdtap, "read", "--workers", workers}, flags...), on: whole}
	}
	all := []program{
		{title: copying, args: []string{"tcpdump", "-r"}, last: []string{"-w", "/dev/null"}, on: whole},
		read("1", asJSON, "-o", "json"),
		read("1", withCerts, "-o", "json", "--certs"),
		read("2", twoWorkers, "-o", "json", "--certs"),
		read("1", problems, "--problems"),
		{title: "nDPI (slice)", args: []string{"ndpiReader", "-q", "-i"}, from: "libndpi-bin", on: slice, empty: empty, limit: slicePatience},
		{title: "tshark, TLS fields (slice)", args: append(append([]string{"tshark", "-T", "fields"}, tsharkFields()...), "-r"), on: slice, empty: empty, limit: slicePatience},
		{title: "ssldump -j (slice)", args: []string{"ssldump", "-n", "-j", "-r"}, on: slice, empty: empty, limit: slicePatience},
	}
	return slices.DeleteFunc(all, func(p program) bool {
		_, err := exec.LookPath(p.args[0])
		if err != nil {
			fmt.Fprintf(stderr, "LEFT OUT: %s is not installed (Debian: apt-get install %s)\n", p.args[0], cmp.Or(p.from, p.args[0]))
		}
		return err != nil
	})
}

func tsharkFields() (args []string) {
	for _, f := range []string{"frame.number", "tcp.stream", "tls.handshake.type", "tls.handshake.extensions_server_name", "tls.handshake.ciphersuite",
		"tls.alert_message.desc", "x509sat.uTF8String"} {
		args = append(args, "-e", f)
	}
	return args
}

// measure runs the program once.
func (p *program) measure() {
	if p.never {
		return
	}
	u, ok := p.run(p.on)
	if ok && p.empty != nil {
		var start usage
		start, ok = p.run(p.empty)
		u.wall, u.cpu = u.wall-start.wall, u.cpu-start.cpu
	}
	if p.never = !ok; ok {
		p.runs = append(p.runs, u)
	}
}

// run runs the program on a capture; ok is false if it does not end in time.
func (p *program) run(on *file) (u usage, ok bool) {
	ctx, stop := context.WithTimeout(context.Background(), cmp.Or(p.limit, patience))
	defer stop()
	cmd := exec.CommandContext(ctx, p.args[0], slices.Concat(p.args[1:], []string{on.name}, p.last)...)
	began := time.Now()
	err := cmd.Run()
	u.wall = time.Since(began)
	state := cmd.ProcessState
	if ctx.Err() != nil || state == nil || err != nil && !state.Exited() {
		return u, false
	}
	u.cpu = state.UserTime() + state.SystemTime()
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.peak = r.Maxrss << 10
	}
	return u, true
}

// table prints medians. The ratio is that of processor times for each packet, round by round.
func table(w io.Writer, programs []program) {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "|\t|wall s\t|CPU s\t|CPU / tcpdump's\t|peak MiB\t|packets/s\t|MB/s\t|")
	fmt.Fprintln(t, strings.Repeat("|---\t", 7)+"|")
	for i := range programs {
		p := &programs[i]
		if p.never || len(p.runs) == 0 {
			fmt.Fprintf(t, "|%s\t|did not end within %v\t|\t|\t|\t|\t|\t|\n", p.title, cmp.Or(p.limit, patience))
			continue
		}
		wall := p.median(func(u usage) float64 { return u.wall.Seconds() })
		ratio := "-"
		if r, ok := p.ratio(find(programs, copying), cpuPerPacket); ok {
			ratio = fmt.Sprintf("%.2f", r)
		}
		fmt.Fprintf(t, "|%s\t|%.2f\t|%.2f\t|%s\t|%.0f\t|%.2g M\t|%.0f\t|\n", p.title, wall,
			p.median(func(u usage) float64 { return u.cpu.Seconds() }), ratio, p.median(peakMiB),
			float64(p.on.Packets)/wall/1e6, float64(p.on.size)/wall/1e6)
	}
	t.Flush()
}

func (p *program) median(of func(usage) float64) float64 {
	values := make([]float64, 0, len(p.runs))
	for _, u := range p.runs {
		values = append(values, of(u))
	}
	return median(values)
}

func median(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare[float64])
	return values[len(values)/2]
}

// ratio compares with another program, round by round. It is not ok where one of them ran in no round, or is nil, or took no time.
func (p *program) ratio(with *program, of func(usage, *file) float64) (r float64, ok bool) {
	if with == nil {
		return 0, false
	}
	var values []float64
	for i := range min(len(p.runs), len(with.runs)) {
		mine, its := of(p.runs[i], p.on), of(with.runs[i], with.on)
		if its > 0 {
			values = append(values, mine/its)
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	return median(values), true
}

func cpuPerPacket(u usage, f *file) float64 { return u.cpu.Seconds() / float64(f.Packets) }

func wallSeconds(u usage, _ *file) float64 { return u.wall.Seconds() }

func peakMiB(u usage) float64 { return float64(u.peak) / (1 << 20) }
