package main

import (
	"slices"
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/capture"
)

// TestDetoursAreBounded: comments of packets that begin no connection are kept up to a bound, and those beyond it are told of.
func TestDetoursAreBounded(t *testing.T) {
	const more = 3
	r := &reader{}
	detour := new(capture.Detour)
	for i := range int64(maxDetours + more) {
		r.detours.add(i+1, detour)
	}
	if n := len(r.detours.byFirst); n != maxDetours || n > 1<<17 {
		t.Errorf("%d are remembered", n)
	}
	in := r.input(false)
	if !slices.ContainsFunc(in.Other, func(c analysis.Count) bool { return c.N == more }) {
		t.Errorf("the %d others are not told of: %+v", more, in.Other)
	}
}
