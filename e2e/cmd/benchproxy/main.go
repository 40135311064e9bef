// Command benchproxy measures `etcdtap proxy` beside HAProxy, nginx and the direct connection: bulk, small requests, new TLS connections
// and idle ones, all on loopback, in one run in which they take turns, so that what else the machine does hits all of them.
//
//	benchproxy -etcdtap bin/etcdtap
//
// Handshakes are real TLS; what follows them are records that are not encrypted, so that it is the proxies that are measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bench is one run.
type bench struct {
	etcdtap string
	rounds  int
	each    time.Duration // of one measurement
	idle    int           // connections
	only    string        // "": all
	measure string        // the measurement that is taken; "": all
	extra   flags         // for etcdtap
	dir     string
	backend *backend
	targets []*target
	results map[string]map[string][]float64 // by measure and target
}

// measures are what is measured, in the order in which it is printed.
var measures = []string{bulkRate, bulkCPU, smallMedian, smallTail, newRate, newCPU, idleMemory}

const (
	bulkRate    = "bulk, 4 connections, GB/s"
	bulkCPU     = "proxy's CPU seconds per GB"
	smallMedian = "small request, p50, µs"
	smallTail   = "small request, p99, µs"
	newRate     = "new TLS connections per second"
	newCPU      = "proxy's CPU µs per new connection"
	idleMemory  = "memory per idle connection, KiB"
)

// flags is a list that a flag adds to.
type flags []string

func (f *flags) String() string     { return strings.Join(*f, " ") }
func (f *flags) Set(s string) error { *f = append(*f, s); return nil }

func main() {
	b := &bench{results: make(map[string]map[string][]float64)}
	flag.StringVar(&b.etcdtap, "etcdtap", "bin/etcdtap", "the `program` to measure")
	flag.IntVar(&b.rounds, "rounds", 7, "how often each measurement is taken; medians are printed")
	flag.DurationVar(&b.each, "each", time.Second, "`time` of one measurement")
	flag.IntVar(&b.idle, "idle", 2000, "idle connections")
	flag.StringVar(&b.only, "only", "", "measure this contender and the direct connection alone, such as etcdtap")
	flag.StringVar(&b.measure, "measure", "", "take this measurement alone: memory, bulk, small or new")
	flag.Var(&b.extra, "flag", "another `flag` for etcdtap proxy, such as --pprof; repeatable")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "benchproxy:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "benchproxy-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := raiseDescriptors(uint64(4*b.idle + 1000)); err != nil {
		return err
	}
	if b.backend, err = newBackend(); err != nil {
		return err
	}
	defer b.backend.close()
	if b.targets, err = b.contenders(); err != nil {
		return err
	}
	b.targets = slices.DeleteFunc(b.targets, func(t *target) bool { return b.only != "" && t.name != b.only && t.config != nil })
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, b.rounds)
		for i := range b.targets {
			if err := b.contender(ctx, b.targets[(i+round)%len(b.targets)]); err != nil {
				return err
			}
		}
	}
	b.print(os.Stdout)
	return nil
}

// takes are the measurements of one contender.
func (b *bench) takes() (list []func(context.Context, *target) error) {
	for _, take := range []struct {
		name string
		f    func(context.Context, *target) error
	}{{"memory", b.memory}, {"bulk", b.bulk}, {"small", b.small}, {"new", b.fresh}} {
		if b.measure == "" || b.measure == take.name {
			list = append(list, take.f)
		}
	}
	return list
}

// contender takes every measurement of one contender once, with a process that was just started.
func (b *bench) contender(ctx context.Context, t *target) error {
	if err := t.start(ctx, b); err != nil {
		return err
	}
	defer t.stop()
	runtime.GC()
	for _, take := range b.takes() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := take(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

func (b *bench) add(t *target, measure string, value float64) {
	if b.results[measure] == nil {
		b.results[measure] = make(map[string][]float64)
	}
	b.results[measure][t.name] = append(b.results[measure][t.name], value)
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// raiseDescriptors makes room for n.
func raiseDescriptors(n uint64) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || r.Cur >= n {
		return err
	}
	if r.Max < n {
		return fmt.Errorf("%d descriptors are needed and %d allowed: ulimit -n %d, or fewer with -idle", n, r.Max, n)
	}
	r.Cur = n
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &r)
}
