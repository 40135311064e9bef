package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

// equalScenarios are played through the proxy by TestSameFacts, those that an etcd does not have left out.
var equalScenarios = []string{"healthy-etcdctl", "healthy-tls12", "healthy-peer-http1", "healthy-hello-retry", "healthy-resumption-tls13",
	"grpcurl-no-cert", "curl-wrong-ca", "curl-expired", "curl-distrusts-server", "grpcurl-distrusts-server", "peer-san-mismatch",
	"grpcurl-peer-port", "curl-peer-port", "grpcurl-plaintext", "curl-http", "proxy-protocol",
	"tls10-only", "tls13-only", "alpn-mismatch", "connect-close", "connect-reset", "hello-close"}

// ownFile is what the proxy writes with -w.
const ownFile = "the proxy's file"

// view is what one way of looking says of a connection.
type view struct {
	Outcome  string
	Protocol string
	Codes    []string
	TLS      any // the whole object, without times and packet numbers
}

// TestSameFacts proves the design: the same handshake gives the same facts and findings through the proxy, by a live capture of both of
// its sides, in tcpdump's file of them, and in the file that the proxy wrote itself.
func TestSameFacts(t *testing.T) {
	for _, program := range []lab.Program{lab.Etcd35, lab.Etcd37} {
		t.Run(string(program), func(t *testing.T) { sameFacts(t, program) })
	}
}

func sameFacts(t *testing.T, program lab.Program) {
	s := newSite(t, program)
	requireCapture(t, s.lab)
	own, dumped := filepath.Join(s.lab.Work, "own.pcapng"), filepath.Join(s.lab.Work, "tcpdump.pcap")
	proxy := proxying(t, append(s.maps(), "-o", "json", "-w", own)...)
	in := *s.lab
	in.Ports.Client, in.Ports.Peer = port(t, proxy.at[0]), port(t, proxy.at[1])
	ports := append(portArguments(s.etcd.Ports), portArguments(in.Ports)...)
	capture := capturing(t, append(ports, "-i", "lo", "-o", "json")...)
	dump, err := lab.StartCapture(dumped, fmt.Sprintf("tcp port %d or tcp port %d or tcp port %d or tcp port %d",
		in.Ports.Client, in.Ports.Peer, s.etcd.Ports.Client, s.etcd.Ports.Peer))
	if err != nil {
		t.Fatal(err)
	}
	playAll(t, &scenario.Stage{Lab: &in, Program: program, PKI: s.pki, Etcd: s.etcd})
	if err := dump.Stop(); err != nil {
		t.Fatal(err)
	}
	proxy.end(t)
	eventually(t, "the capture has not seen all", func() bool { // it says of each end when nothing more can trail it
		return len(capture.connections(t)) >= legs(proxy.connections(t))
	})
	capture.stop(t)
	compareViews(t, proxy.connections(t), map[string][]watched{
		"live capture":   capture.connections(t),
		"tcpdump's file": readAll(t, dumped, ports),
		ownFile:          readAll(t, own, ports),
	}, in.Ports.Client, in.Ports.Peer)
}

// playAll plays the scenarios that an etcd has.
func playAll(t *testing.T, stage *scenario.Stage) {
	t.Helper()
	for _, s := range scenario.All() {
		if s.Setup != scenario.Secure || !slices.Contains(equalScenarios, s.Name) || !slices.Contains(s.On, stage.Program) {
			continue
		}
		if err := stage.Do(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
	}
}

// compareViews holds every other view of a connection to the proxy's, which listens at the given ports.
func compareViews(t *testing.T, proxied []watched, others map[string][]watched, listeners ...uint16) {
	t.Helper()
	if len(proxied) < 10 {
		t.Fatalf("the proxy told of %d connections only", len(proxied))
	}
	for _, p := range proxied {
		for name, list := range others {
			places, want, leg := listeners, legs([]watched{p}), p
			if name == ownFile { // one connection stands for both, and the proxy's own port may be another connection's client
				places, want, leg.Outgoing = []uint16{p.Server.Port}, 1, nil
			}
			found := 0
			for i := range list {
				c := &list[i]
				if !leg.isLeg(c, places...) {
					continue
				}
				found++
				if name == ownFile && !reflect.DeepEqual(c.Outgoing, p.Outgoing) {
					t.Errorf("%s: outgoing %v, in the proxy's own file %v", p.Client, p.Outgoing, c.Outgoing)
				}
				a, b := p.view(t), c.view(t)
				if name != ownFile || p.Stage == "open" { // an early report, and what came later was not worth another one
					crossing(a, b)
				}
				if d := gocmp.Diff(a, b, cmpopts.EquateEmpty()); d != "" {
					t.Errorf("%s > %s, %s: the proxy (-) and %s (+) of %s differ:\n%s", p.Client, p.Server, p.Outcome, name, c.ID, d)
				}
			}
			if found != want {
				t.Errorf("%s > %s: %s has %d legs of it, want %d", p.Client, p.Server, name, found, want)
			}
		}
	}
}

// legs is how many connections a capture sees of those that pass through the proxy.
func legs(list []watched) (n int) {
	for i := range list {
		n++
		if list[i].Outgoing != nil {
			n++
		}
	}
	return n
}

// isLeg reports whether c is p on one side of the proxy, whose listeners have the given ports. Etcd's own are left for its other side:
// a port may be the client's in one connection and the proxy's in another.
func (w *watched) isLeg(c *watched, listeners ...uint16) bool {
	if c.Client == w.Client && slices.Contains(listeners, c.Server.Port) {
		return true
	}
	return w.Outgoing != nil && c.Client == *w.Outgoing && c.Server == w.Server
}

// crossing makes equal what depends on when and where one looks: packets that cross on the way come in another order elsewhere, and the
// last words to somebody who has gone already, an alert at the most, are on one side of the proxy only.
func crossing(a, b view) {
	x, y := shapeOf(a), shapeOf(b)
	if x == nil || y == nil {
		x, y = map[string]any{}, map[string]any{}
	}
	if x["ticket"] == "unknown" || y["ticket"] == "unknown" {
		y["ticket"] = x["ticket"]
	}
	if gocmp.Equal(alertsOf(a), alertsOf(b)) {
		return
	}
	for _, shape := range []map[string]any{x, y} {
		delete(shape, "last_alert_from")
		delete(shape, "last_alert_place")
	}
	p, q := bySender(alertsOf(a)), bySender(alertsOf(b))
	for _, from := range []string{"client", "server"} {
		n := min(len(p[from]), len(q[from]))
		p[from], q[from] = p[from][:n], q[from][:n]
	}
	a.TLS.(map[string]any)["alerts"], b.TLS.(map[string]any)["alerts"] = p, q
}

func alertsOf(v view) []any {
	tls, _ := v.TLS.(map[string]any)
	list, _ := tls["alerts"].([]any)
	return list
}

func bySender(alerts []any) map[string][]any {
	by := make(map[string][]any)
	for _, a := range alerts {
		from := a.(map[string]any)["from"].(string)
		by[from] = append(by[from], a)
	}
	return by
}

func shapeOf(v view) map[string]any {
	tls, _ := v.TLS.(map[string]any)
	shape, _ := tls["shape"].(map[string]any)
	return shape
}

// view leaves out what has to differ: when, which packet.
func (w *watched) view(t *testing.T) view {
	t.Helper()
	v := view{Outcome: w.Outcome, Protocol: w.Protocol, Codes: w.codes()}
	if err := json.Unmarshal(w.TLS, &v.TLS); err != nil {
		t.Fatal(err)
	}
	if o, ok := v.TLS.(map[string]any); ok {
		for _, list := range []string{"alerts", "violations"} {
			all, _ := o[list].([]any)
			for _, a := range all {
				delete(a.(map[string]any), "at")
				delete(a.(map[string]any), "packet")
			}
		}
	}
	return v
}

// readAll reads a file as `capture` would have seen it.
func readAll(t *testing.T, file string, flags []string) []watched {
	t.Helper()
	cmd := exec.Command(os.Getenv(etcdtapVariable), slices.Concat([]string{"read", "-o", "json"}, flags, []string{file})...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return lastReports(t, out)
}

// port of HOST:PORT.
func port(t *testing.T, address string) uint16 {
	t.Helper()
	n, err := strconv.ParseUint(address[strings.LastIndexByte(address, ':')+1:], 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(n)
}
