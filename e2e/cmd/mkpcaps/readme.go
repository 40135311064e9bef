package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/etcdtap/etcdtap/e2e/lab"
	"github.com/etcdtap/etcdtap/e2e/scenario"
)

const readmeHead = "# Real captures\n\n" +
	"Made by `make pcaps` (`e2e/cmd/mkpcaps`), which writes this page too: real etcds and real clients on loopback,\n" +
	"captured with tcpdump. `$PKI` is a directory of kubeadm-like certificates that `e2e/pki` makes anew each time.\n" +
	"Beside `NAME.pcap` stand `NAME.log`, what etcd wrote meanwhile, and `NAME.json`, the truth:\n\n" +
	"- `outcomes`, `codes`: at least one connection has one of these outcomes with one of these findings; `null` means that no\n" +
	"  connection has a finding of severity error;\n" +
	"- `also`: further findings of severity error that are right;\n" +
	"- `hidden`: TLS 1.3 hides what decides it, so silence is not wrong;\n" +
	"- `connections`: what else the capture has to contain;\n" +
	"- `keys`: the key log beside it, which decrypts the capture; `NAME.pcapng` is the same capture with the key log inside.\n" +
	"  The keys are of connections that ended when the capture did.\n\n" +
	"`v35-` is etcd %s, which speaks TLS 1.2 at most, so that certificates can be seen; `v37-` is etcd %s with TLS 1.3.\n" +
	"The other programs were: %s.\n\n"

// writeReadme lists the captures of a directory with how they were made.
func writeReadme(l *lab.Lab, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	m := maker{lab: l}
	var versions [2]string
	for i, p := range []lab.Program{lab.Etcd35, lab.Etcd37} {
		if versions[i], err = m.version(group{program: p}); err != nil {
			return err
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, readmeHead, versions[0], versions[1], strings.Join(clientVersions(l), ", "))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		var t scenario.Truth
		if err := json.Unmarshal(text, &t); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		describe(&b, &t)
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(b.String()), 0o644)
}

func describe(b *strings.Builder, t *scenario.Truth) {
	codes := "no error"
	if t.Codes != nil {
		codes = "`" + strings.Join(t.Codes, "` or `") + "`"
	}
	etcd := "no etcd"
	if t.Etcd != "" {
		etcd = "etcd " + t.Etcd
	}
	fmt.Fprintf(b, "## %s\n\n%s (%s).\n`%s`, %s.\n\n", t.Name, t.Summary, etcd, strings.Join(t.Outcomes, "` or `"), codes)
	for _, how := range t.How {
		fmt.Fprintf(b, "    %s\n", how)
	}
	b.WriteByte('\n')
}

// clientVersions asks the programs; what does not answer is left out.
func clientVersions(l *lab.Lab) []string {
	var versions []string
	for _, ask := range []struct {
		name    string
		program string
		args    []string
		version *regexp.Regexp
	}{
		{"etcdctl", filepath.Join(l.Bin, string(lab.Etcdctl)), []string{"version"}, regexp.MustCompile(`etcdctl version: (\S+)`)},
		{"grpcurl", "go", []string{"version", "-m", filepath.Join(l.Bin, string(lab.Grpcurl))}, regexp.MustCompile(`dep\s+\S+/grpcurl\s+v(\S+)|mod\s+\S+/grpcurl\s+v(\S+)`)},
		{"curl", "curl", []string{"--version"}, regexp.MustCompile(`curl (\S+)`)},
		{"openssl", "openssl", []string{"version"}, regexp.MustCompile(`OpenSSL (\S+)`)},
		{"tcpdump", "tcpdump", []string{"--version"}, regexp.MustCompile(`tcpdump version (\S+)`)},
	} {
		out, _ := exec.Command(ask.program, ask.args...).CombinedOutput()
		if found := ask.version.FindSubmatch(out); found != nil {
			versions = append(versions, ask.name+" "+string(found[1])+string(last(found)))
		}
	}
	return versions
}

// last is the last group of a match with two alternatives, empty for a match with one.
func last(found [][]byte) []byte {
	if len(found) < 3 {
		return nil
	}
	return found[2]
}
