// Package etcdtap holds the repository's policies as tests; it has no code of its own.
package etcdtap

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/etcdtap/etcdtap/"

// rule is what a package of ours may not import. The reason is printed when it does.
type rule struct {
	pkg       string   // below the module's root
	forbidden []string // import paths, or prefixes that end in /
	reason    string
}

var rules = []rule{
	{"capture", []string{module + "proxy", module + "cmd/", module + "analysis/report"}, "capture produces facts; who shows them is not its business, and it never meets the proxy"},
	{"capture/owner", []string{module + "capture", module + "proxy", module + "probe", module + "cmd/", module + "analysis/report", "github.com/", "net", "net/http"}, "owner asks the kernel who has a socket: it sees no packet, and talks to nobody but its child"},
	{"capture/privilege", []string{module, "github.com/", "go.uber.org/", "net", "net/http", "os/exec"}, "privilege gives up what the process has, and knows nothing of what it was for"},
	{"capture/live", []string{module + "proxy", module + "probe", module + "cmd/", module + "analysis", module + "analysis/", "go.uber.org/"}, "live sources give packets, as files do, and know nothing of what becomes of them"},
	{"capture/savefile", []string{module + "proxy", module + "probe", module + "cmd/", module + "analysis/", "github.com/gopacket/", "go.uber.org/"}, "savefile turns packets, or what its caller tells of a connection, into files; it never meets the proxy, judges nothing, and prints nothing"},
	{"probe", []string{module + "capture", module + "proxy", module + "cmd/", module + "analysis/report", "github.com/", "go.uber.org/", "os"}, "a probe makes handshakes and gives what they showed to the analysis; who shows it is not its business"},
	{"proxy", []string{module + "capture", module + "cmd/", module + "analysis/report", "github.com/gopacket/"}, "the proxy has no packets"},
	{"metrics", []string{module + "capture", module + "proxy", module + "probe", module + "cmd/", module + "analysis/report", "github.com/gopacket/", "go.uber.org/", "os/exec"}, "metrics count what they are told: capture and proxy know nothing of them, cmd brings them together"},
	{"capture", []string{module + "metrics"}, "capture keeps its own numbers; cmd hands them to the metrics"},
	{"proxy", []string{module + "metrics"}, "the proxy keeps its own numbers; cmd hands them to the metrics"},
	{"analysis", []string{module + "metrics", module + "capture", module + "proxy", module + "probe", module + "cmd/", module + "analysis/report"}, "imports run one way: cmd > capture, proxy, probe > analysis"},
	{"analysis", []string{"github.com/", "go.uber.org/", "os", "os/", "net", "net/http", "context", "io", "sync"}, "the core does no I/O, has no goroutine and no lock: net/netip is all it knows of the network"},
	{"analysis/tlswire", []string{module, "github.com/", "go.uber.org/", "os", "net", "context", "io", "sync", "time"}, "tlswire turns bytes into messages and knows nothing else"},
	{"analysis/keylog", []string{module, "github.com/", "go.uber.org/", "golang.org/", "os", "net", "context", "io", "sync", "time"}, "keylog turns the text of key logs into secrets and knows nothing else"},
	{"analysis/tlscrypt", []string{"github.com/", "go.uber.org/", "os", "net", "context", "io", "sync", "time"}, "tlscrypt opens records with secrets and knows nothing else"},
	{"analysis/etcdlog", []string{module, "github.com/", "go.uber.org/", "golang.org/", "os", "net", "context", "sync"}, "etcdlog turns lines into entries and knows nothing else"},
	{"analysis/pki", []string{module, "github.com/", "go.uber.org/", "os", "os/", "net/http", "context", "io", "sync"}, "pki gets names and bytes, and judges nothing"},
	{"analysis/deploy", []string{module, "github.com/", "go.uber.org/", "os", "os/", "net", "net/http", "context", "sync"}, "deploy turns configuration into what it says, and judges nothing"},
	{"analysis/report", []string{module + "capture", module + "proxy", module + "probe", module + "cmd/", "github.com/", "go.uber.org/", "net", "context"}, "renderers see the analysis only"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

// TestLayering checks the imports of the product's packages, tests left out.
func TestLayering(t *testing.T) {
	packages := list(t)
	for _, r := range rules {
		for _, p := range packages {
			if p.ImportPath != module+r.pkg {
				continue
			}
			for _, imp := range p.Imports {
				for _, f := range r.forbidden {
					if imp == f || strings.HasSuffix(f, "/") && strings.HasPrefix(imp, f) && !allowed(r.pkg, imp) {
						t.Errorf("%s imports %s: %s", r.pkg, imp, r.reason)
					}
				}
			}
		}
	}
}

// allowed lists the arrows that a forbidden prefix would cover.
func allowed(pkg, imp string) bool {
	switch pkg {
	case "analysis":
		return imp == module+"analysis/tlswire" || imp == module+"analysis/etcdlog" || imp == module+"analysis/pki" || imp == module+"analysis/deploy" ||
			imp == module+"analysis/keylog" || imp == module+"analysis/tlscrypt"
	case "analysis/tlscrypt":
		return imp == module+"analysis/tlswire"
	case "capture/owner":
		return imp == module+"analysis" || imp == module+"capture/privilege"
	case "analysis/report", "probe":
		return strings.HasPrefix(imp, module+"analysis")
	}
	return false
}

// TestGopacketStaysInCapture keeps packets, and the fork's predecessor, out of everything else.
func TestGopacketStaysInCapture(t *testing.T) {
	for _, p := range list(t) {
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, "github.com/google/gopacket") {
				t.Errorf("%s imports %s: use the maintained line github.com/gopacket/gopacket, their types do not mix", p.ImportPath, imp)
			}
			if strings.HasPrefix(imp, "github.com/gopacket/") && !strings.HasPrefix(p.ImportPath, module+"capture") {
				t.Errorf("%s imports %s: packets end in package capture", p.ImportPath, imp)
			}
		}
	}
}

// TestNoClock keeps time.Now out of the core: time is data there.
func TestNoClock(t *testing.T) {
	out, err := exec.Command("git", "grep", "-nE", `time\.(Now|Since|Until|After|NewTimer|NewTicker|Sleep)\(`, "--", "analysis/*.go", ":!analysis/*_test.go").Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 1:
	case err != nil:
		t.Skipf("SKIPPED: git grep does not work here (%v), so the core's clocks were not looked for", err)
	default:
		t.Errorf("the core has no clock, times come with the data:\n%s", out)
	}
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}
