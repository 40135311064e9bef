// Command benchread measures how fast captures are read, beside what else reads them: tcpdump's copy, which does nothing but copy, is
// the measure; nDPI, tshark and ssldump are for comparison. `make bench-read` runs it.
//
// All programs take turns in every round, so that what else the machine does meets all of them alike, and what counts is the ratio of
// processor times within a round. Medians over the rounds are printed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "benchread:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	etcdtap   string
	mkcapture string
	dir       string
	scale     float64
	rounds    int
	only      string
	forms     bool
}

func run(args []string, stdout, stderr io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("benchread", flag.ContinueOnError)
	flags.StringVar(&s.etcdtap, "etcdtap", "bin/etcdtap", "the program to measure")
	flags.StringVar(&s.mkcapture, "mkcapture", "bin/mkcapture", "the program that makes captures")
	flags.StringVar(&s.dir, "dir", "bin/bench", "where captures are kept between runs")
	flags.Float64Var(&s.scale, "scale", 1, "size of the captures; 1 is what docs/performance.md speaks of")
	flags.IntVar(&s.rounds, "rounds", 5, "how often each program runs")
	flags.StringVar(&s.only, "only", "", "one capture alone: a, b, c, c2 or d")
	flags.BoolVar(&s.forms, "forms", true, "also read one capture as pcapng and compressed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.scale <= 0 || s.rounds <= 0 {
		return errors.New("-scale and -rounds have to be above zero")
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s/%s, %d processors, %s; medians of %d rounds, in each of which all programs run in turn\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), s.rounds)
	for _, c := range corpora() {
		if s.only != "" && s.only != c.letter {
			continue
		}
		if err := s.corpus(c, stdout, stderr); err != nil {
			return fmt.Errorf("%s: %w", c.kind, err)
		}
	}
	if s.forms && s.only == "" {
		return s.fileForms(stdout, stderr)
	}
	return nil
}

// corpus measures one capture.
func (s *settings) corpus(c corpus, stdout, stderr io.Writer) error {
	whole, err := s.capture(c, s.scale, "pcap", stderr)
	if err != nil {
		return err
	}
	slice, err := s.capture(c, min(s.scale, sliceShare), "pcap", stderr)
	if err != nil {
		return err
	}
	empty, err := s.empty()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s: %s\n%d packets, %d connections, %.0f MB\n\n", c.letter, c.what, whole.Packets, whole.Connections, float64(whole.size)/1e6)
	programs := s.programs(whole, slice, empty, stderr)
	for range s.rounds {
		for i := range programs {
			programs[i].measure()
		}
	}
	table(stdout, programs)
	if s.scale >= 1 { // below, what it takes to start weighs too much
		judge(stdout, c.targets, programs)
	}
	return nil
}
