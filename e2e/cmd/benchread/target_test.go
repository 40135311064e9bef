package main

import (
	"strings"
	"testing"
	"time"
)

// TestJudge: a target is kept, missed, or said not to be measured, by medians of what one round gave beside the other.
func TestJudge(t *testing.T) {
	on := &file{Packets: 100}
	ran := func(title string, ms ...int) program {
		p := program{title: title, on: on}
		for _, n := range ms {
			d := time.Duration(n) * time.Millisecond
			p.runs = append(p.runs, usage{wall: d, cpu: d, peak: int64(n) << 20})
		}
		return p
	}
	all := []program{ran(copying, 100, 10, 200), ran(asJSON, 100, 20, 200), ran(twoWorkers, 50, 20, 300), ran(problems)}
	var b strings.Builder
	judge(&b, []target{cpu(asJSON, 1), cpu(asJSON, 0.9), memory(asJSON, 100), wall(twoWorkers, asJSON, 0.99), wall(twoWorkers, withCerts, 1), cpu(problems, 1)}, all)
	var got []string
	for line := range strings.Lines(b.String()) {
		if fields := strings.Split(strings.TrimSpace(line), "|"); len(fields) > 5 {
			got = append(got, strings.TrimSpace(fields[5]))
		}
	}
	if got, want := strings.Join(got[2:], ", "), "kept, MISSED, kept, MISSED, NOT MEASURED, NOT MEASURED"; got != want {
		t.Errorf("%s, want %s\n%s", got, want, &b)
	}
	if _, ok := all[1].ratio(find(all, "tcpdump is not installed"), cpuPerPacket); ok {
		t.Error("compared with nothing")
	}
}
