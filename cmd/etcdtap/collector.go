package main

import (
	"runtime"
	"runtime/debug"
)

const (
	// firstCollection is how full the heap gets before the collector first looks for garbage, as GOGC has it: in percent of 4 MiB. Reading a
	// capture fills its tables and pools in the beginning and makes hardly any garbage, so that at the usual 4 MiB a collection finds nothing
	// to free, and costs a twentieth of the time that half a million packets take. The peak is no higher for it.
	firstCollection = 400
	usualCollection = 100
)

// collectLater puts the first garbage collection off to a heap of 16 MiB. From the second on everything is as usual. Who has set GOGC is
// obeyed.
func (e *environment) collectLater() {
	if e.getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(firstCollection)
	// What nobody refers to is cleaned up after the first collection.
	runtime.AddCleanup(new([64]byte), func(percent int) { debug.SetGCPercent(percent) }, usualCollection)
}
