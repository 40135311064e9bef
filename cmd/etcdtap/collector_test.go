package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestCollectLater holds the collector to being put off once, and not at all against somebody's will.
func TestCollectLater(t *testing.T) {
	before := debug.SetGCPercent(usualCollection)
	defer debug.SetGCPercent(before)
	percent := func() int {
		now := debug.SetGCPercent(usualCollection)
		debug.SetGCPercent(now)
		return now
	}
	(&environment{env: []string{"GOGC=200"}}).collectLater()
	if got := percent(); got != usualCollection {
		t.Errorf("with GOGC in the environment: got %d %%, expected that it stays as it is", got)
	}
	(&environment{}).collectLater()
	for deadline := time.Now().Add(time.Minute); percent() != usualCollection; {
		if time.Now().After(deadline) {
			t.Fatalf("got %d %% after collections, expected %d", percent(), usualCollection)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}
