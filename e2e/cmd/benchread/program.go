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

// program is a command that is measured on a file. The first one of a list is what the others are compared with.
type program struct {
	title string
	args  []string
	on    *file
	runs  []usage
	limit time.Duration // of a run; 0: patience
	never bool          // it did not end in time, and is not tried again
}

// usage is what one run took, as wait4 tells it.
type usage struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory
}

// programs are what reads the capture. Those that are not installed are left out, and that is said.
func (s *settings) programs(whole, slice *file, stderr io.Writer) []program {
	all := []program{
		{title: "tcpdump -w /dev/null", args: []string{"tcpdump", "-r", whole.name, "-w", "/dev/null"}, on: whole},
		{title: "etcdtap -o json", args: []string{s.etcdtap, "read", "--workers", "1", "-o", "json", whole.name}, on: whole},
		{title: "etcdtap -o json --certs", args: []string{s.etcdtap, "read", "--workers", "1", "-o", "json", "--certs", whole.name}, on: whole},
		{title: "the same, 2 workers", args: []string{s.etcdtap, "read", "--workers", "2", "-o", "json", "--certs", whole.name}, on: whole},
		{title: "etcdtap --problems (text)", args: []string{s.etcdtap, "read", "--workers", "1", "--problems", whole.name}, on: whole},
		{title: "tshark, TLS fields (slice)", args: append([]string{"tshark", "-r", slice.name, "-T", "fields"}, tsharkFields()...), on: slice, limit: slicePatience},
		{title: "ssldump -j (slice)", args: []string{"ssldump", "-n", "-j", "-r", slice.name}, on: slice, limit: slicePatience},
	}
	return slices.DeleteFunc(all, func(p program) bool {
		_, err := exec.LookPath(p.args[0])
		if err != nil {
			fmt.Fprintf(stderr, "LEFT OUT: %s is not installed (Debian: apt-get install %s)\n", p.args[0], p.args[0])
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
	ctx, stop := context.WithTimeout(context.Background(), cmp.Or(p.limit, patience))
	defer stop()
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	state := cmd.ProcessState
	if ctx.Err() != nil || state == nil || err != nil && !state.Exited() {
		p.never = true
		return
	}
	u := usage{wall: wall, cpu: state.UserTime() + state.SystemTime()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.peak = r.Maxrss << 10
	}
	p.runs = append(p.runs, u)
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
		fmt.Fprintf(t, "|%s\t|%.2f\t|%.2f\t|%s\t|%.0f\t|%.2g M\t|%.0f\t|\n", p.title, wall,
			p.median(func(u usage) float64 { return u.cpu.Seconds() }), p.ratio(&programs[0]),
			p.median(func(u usage) float64 { return float64(u.peak) / (1 << 20) }),
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

// ratio compares with another program, round by round.
func (p *program) ratio(with *program) string {
	var values []float64
	for i := range min(len(p.runs), len(with.runs)) {
		mine, its := p.runs[i].cpu.Seconds()/float64(p.on.Packets), with.runs[i].cpu.Seconds()/float64(with.on.Packets)
		if its > 0 {
			values = append(values, mine/its)
		}
	}
	if len(values) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", median(values))
}
