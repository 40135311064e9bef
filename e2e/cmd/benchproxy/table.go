package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
)

// goal is what etcdtap has to reach, as a multiple of HAProxy's figure in the same round, or as a figure of its own.
type goal struct {
	text  string
	most  float64 // 0: none
	least float64
	alone bool // not a multiple
}

var goals = map[string]goal{
	bulkRate:    {text: "≥ 1.1 × HAProxy", least: 1.1},
	bulkCPU:     {text: "≤ 0.45 × HAProxy", most: 0.45},
	smallMedian: {text: "≤ 1.2 × HAProxy", most: 1.2},
	smallTail:   {text: "≤ HAProxy", most: 1},
	newRate:     {text: "≥ HAProxy", least: 1},
	idleMemory:  {text: "≤ 9", most: 9, alone: true},
}

// print writes the table, in Markdown.
func (b *bench) print(w io.Writer) {
	fmt.Fprintf(w, "%d processors that also run the load, medians of %d rounds\n\n", runtime.NumCPU(), b.rounds)
	header := []string{""}
	for _, t := range b.targets {
		header = append(header, t.name)
	}
	header = append(header, "etcdtap ÷ HAProxy", "target", "")
	row(w, header)
	row(w, strings.Split(strings.Repeat("---,", len(header)-1)+"---", ","))
	for _, m := range measures {
		cells := []string{m}
		for _, t := range b.targets {
			cells = append(cells, figure(b.results[m][t.name]))
		}
		ratio := median(ratios(b.results[m]["etcdtap"], b.results[m]["HAProxy"]))
		cells = append(cells, fmt.Sprintf("%.2f", ratio), goals[m].text, goals[m].verdict(ratio, median(b.results[m]["etcdtap"])))
		row(w, cells)
	}
}

func row(w io.Writer, cells []string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func figure(list []float64) string {
	if len(list) == 0 {
		return ""
	}
	switch m := median(list); {
	case m >= 100:
		return fmt.Sprintf("%.0f", m)
	case m >= 10:
		return fmt.Sprintf("%.1f", m)
	default:
		return fmt.Sprintf("%.2f", m)
	}
}

// ratios are those within each round: what slowed the machine down slowed both.
func ratios(a, b []float64) (list []float64) {
	for i := range min(len(a), len(b)) {
		list = append(list, a[i]/b[i])
	}
	return list
}

func (g goal) verdict(ratio, figure float64) string {
	value := ratio
	if g.alone {
		value = figure
	}
	switch {
	case g == goal{}:
		return ""
	case value == 0:
		return "not measured"
	case g.most > 0 && value > g.most, g.least > 0 && value < g.least:
		return "missed"
	}
	return "met"
}
