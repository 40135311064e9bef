package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// target is what a program is held to on a capture, in medians of what the rounds gave.
type target struct {
	title  string // of the program
	what   string
	atMost float64
	of     func(p *program, all []program) (value float64, ok bool)
}

// cpu is processor time beside tcpdump's.
func cpu(title string, atMost float64) target {
	return target{title, "CPU / tcpdump's", atMost, func(p *program, all []program) (float64, bool) { return p.ratio(find(all, copying), cpuPerPacket) }}
}

// memory is in MiB.
func memory(title string, atMost float64) target {
	return target{title, "peak MiB", atMost, func(p *program, _ []program) (float64, bool) { return p.median(peakMiB), true }}
}

// wall is the wall time beside that of another program.
func wall(title, than string, atMost float64) target {
	return target{title, "wall s / one worker's", atMost, func(p *program, all []program) (float64, bool) {
		return p.ratio(find(all, than), wallSeconds)
	}}
}

// find is the program of that title, if it ran.
func find(all []program, title string) *program {
	i := slices.IndexFunc(all, func(p program) bool { return p.title == title && len(p.runs) > 0 })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// judge prints which targets were kept.
func judge(w io.Writer, targets []target, programs []program) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "|target\t|\t|at most\t|measured\t|\t|")
	fmt.Fprintln(t, "|---\t|---\t|---\t|---\t|---\t|")
	for _, g := range targets {
		measured, verdict := "-", "NOT MEASURED"
		if p := find(programs, g.title); p != nil {
			if value, ok := g.of(p, programs); ok {
				measured, verdict = fmt.Sprintf("%.3g", value), "kept"
				if value > g.atMost {
					verdict = "MISSED"
				}
			}
		}
		fmt.Fprintf(t, "|%s\t|%s\t|%v\t|%s\t|%s\t|\n", g.title, g.what, g.atMost, measured, verdict)
	}
	t.Flush()
}
