package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/e2e/lab"
)

// portArguments tell etcdtap the lab's ports.
func portArguments(p lab.Ports) []string {
	return []string{fmt.Sprintf("--client-port=%d", p.Client), fmt.Sprintf("--peer-port=%d", p.Peer), fmt.Sprintf("--metrics-port=%d", p.Metrics)}
}

// watchLive starts etcdtap in all the ways that it can capture.
func watchLive(t *testing.T, p lab.Ports) map[string]*tap {
	t.Helper()
	watchers := map[string]*tap{}
	args := append([]string{"capture", "-i", "lo", "-o", "json", "--processes=false"}, portArguments(p)...)
	watchers["the default build"] = capturing(t, args[1:]...)
	watchers["the pure Go build"] = capturingWith(t, exec.Command(pureGo(), args...))
	if hasPcap(t) { // which takes expressions
		watchers["libpcap"] = capturing(t, append(args[1:len(args):len(args)], fmt.Sprintf("tcp port %d or tcp port %d", p.Client, p.Peer))...)
	}
	return watchers
}

// readObjects are the connections of a capture file.
func readObjects(t *testing.T, file string, p lab.Ports) []object {
	t.Helper()
	out, err := exec.Command(etcdtap(), append(append([]string{"read", "-o", "json"}, portArguments(p)...), file)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, string(out), "connection")
}

// compareLive holds what was said live of connections to what is read of them in a capture file. What the file does not have is no
// matter: it begins later or ends sooner where the scenario wants that.
func compareLive(t *testing.T, name string, file, reports []object) {
	t.Helper()
	for _, want := range file {
		if want["outcome"] == "partial" {
			continue // it began before the file
		}
		got := report(want, reports)
		if got == nil {
			t.Errorf("%s has no connection %v > %v, which is %v in the capture file", name, want["client"], want["server"], want["outcome"])
			continue
		}
		a, b := comparable(want), comparable(got)
		if goesOn(want) || goesOn(got) { // one ended first, or told of no end that brought nothing new, and alerts that begin the end may be in the other only
			forgetAlerts(a, b)
		}
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%v > %v: the capture file (-) and %s (+, stage %v) differ:\n%s", want["client"], want["server"], name, got["stage"], d)
		}
	}
}

// report is the live report of a connection that compares with that of the file: the last one, or, where that tells of an end which came
// after the file's, the last one from before.
func report(want object, reports []object) (got object) {
	open := goesOn(want)
	for _, r := range reports {
		if !cmp.Equal(r["client"], want["client"]) || !cmp.Equal(r["server"], want["server"]) || !near(r["start"], want["start"]) {
			continue
		}
		if got == nil || !open || goesOn(r) {
			got = r
		}
	}
	return got
}

// goesOn reports whether a connection had no end when it was reported.
func goesOn(c object) bool {
	closing, _ := c["close"].(object)
	return closing["client"] == "none" && closing["server"] == "none"
}

func forgetAlerts(all ...object) {
	for _, c := range all {
		if tls, ok := c["tls"].(object); ok {
			delete(tls, "alerts")
			if shape, ok := tls["shape"].(object); ok {
				delete(shape, "last_alert_from")
				delete(shape, "last_alert_place")
			}
		}
	}
}

// near reports whether two times are one, as the kernel told it to one with microseconds and to the other with nanoseconds.
func near(a, b any) bool {
	x, err1 := time.Parse(time.RFC3339Nano, a.(string))
	y, err2 := time.Parse(time.RFC3339Nano, b.(string))
	return err1 == nil && err2 == nil && x.Sub(y).Abs() < time.Millisecond
}

// comparable leaves of a connection what has to be equal.
func comparable(c object) object {
	found := codes(c)
	slices.Sort(found)
	return object{
		"outcome": c["outcome"], "endpoint": c["endpoint"], "findings": found, "missed": c["missed"],
		"client_protocol": c["client_protocol"], "server_protocol": c["server_protocol"], "tls": timeless(c["tls"]),
	}
}

// timeless leaves out packet numbers, which count from each capture's beginning, and times, whose precision differs.
func timeless(v any) any {
	switch v := v.(type) {
	case object:
		kept := object{}
		for key, value := range v {
			switch key {
			case "packet", "at":
			default:
				kept[key] = timeless(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i := range v {
			kept[i] = timeless(v[i])
		}
		return kept
	}
	return v
}
