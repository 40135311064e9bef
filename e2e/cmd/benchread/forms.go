package main

import (
	"fmt"
	"io"
	"os/exec"
	"text/tabwriter"
)

// fileForms reads one capture in each form that files come in. The measure of a compressed one is what decompressing alone takes.
func (s *settings) fileForms(stdout, stderr io.Writer) error {
	c := corpora()[1]
	scale := s.scale / 4
	plain, err := s.capture(c, scale, "pcap", stderr)
	if err != nil {
		return err
	}
	ng, err := s.capture(c, scale, "pcapng", stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nforms of a file: %d packets of b, two workers; for a compressed one the time of decompressing it with its own program stands beside it\n\n", plain.Packets)
	list := []program{s.reads("pcap", plain), s.reads("pcapng", ng)}
	for _, z := range []struct {
		suffix     string
		pack, open []string
	}{
		{".gz", []string{"gzip", "-6", "-c"}, []string{"gzip", "-dc"}},
		{".zst", []string{"zstd", "-3", "-q", "-c"}, []string{"zstd", "-q", "-dc"}},
	} {
		if _, err := exec.LookPath(z.pack[0]); err != nil {
			fmt.Fprintf(stderr, "LEFT OUT: %s is not installed (Debian: apt-get install %[1]s)\n", z.pack[0])
			continue
		}
		packed, err := s.compressed(plain, z.suffix, z.pack...)
		if err != nil {
			return err
		}
		list = append(list, s.reads("pcap"+z.suffix, packed), program{title: z.open[0] + " -dc alone", args: z.open, on: packed})
	}
	for range s.rounds {
		for i := range list {
			list[i].measure()
		}
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "|\t|wall s\t|CPU s\t|peak MiB\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|")
	for i := range list {
		p := &list[i]
		if len(p.runs) == 0 {
			continue
		}
		fmt.Fprintf(t, "|%s\t|%.2f\t|%.2f\t|%.0f\t|\n", p.title, p.median(func(u usage) float64 { return u.wall.Seconds() }),
			p.median(func(u usage) float64 { return u.cpu.Seconds() }), p.median(peakMiB))
	}
	return t.Flush()
}

func (s *settings) reads(title string, f *file) program {
	return program{title: "etcdtap, " + title, args: []string{s.etcdtap, "read", "--workers", "2", "-o", "json"}, on: f}
}
