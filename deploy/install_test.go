package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// run does a target of the Makefile, with what it builds in a directory of the test's own.
func run(t *testing.T, build, dest string, targets ...string) {
	t.Helper()
	args := append([]string{"BUILD=" + build, "DESTDIR=" + dest, "PREFIX=/usr", "VERSION=v9.8.7"}, targets...)
	cmd := exec.Command("make", args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "GOFLAGS=") // this may itself be run by make
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// make install puts everything below DESTDIR, and make uninstall leaves nothing.
func TestInstall(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("SKIPPED: there is no make here, so make install was not tried")
	}
	if testing.Short() {
		t.Skip("SKIPPED: make install builds the program twice, which -short leaves out")
	}
	build, dest := t.TempDir(), t.TempDir()
	run(t, build, dest, "install", "install-units")
	have := files(t, dest)
	for _, want := range []string{"usr/bin/etcdtap", "usr/share/man/man1/etcdtap.1", "usr/share/man/man1/etcdtap-read.1", "usr/share/man/man1/etcdtap-explain.1",
		"usr/share/bash-completion/completions/etcdtap", "usr/share/zsh/site-functions/_etcdtap", "usr/share/fish/vendor_completions.d/etcdtap.fish",
		"usr/lib/systemd/system/etcdtap.service", "usr/lib/systemd/system/etcdtap-proxy.service", "usr/lib/systemd/system/etcdtap-proxy.socket"} {
		if !slices.Contains(have, want) {
			t.Errorf("%s was not installed", want)
		}
	}
	out, err := exec.Command(filepath.Join(dest, "usr/bin/etcdtap"), "version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "v9.8.7") {
		t.Errorf("the program that was installed: %v\n%s", err, out)
	}
	for file, want := range map[string]string{
		"usr/share/man/man1/etcdtap-read.1":             ".SH EXAMPLE",
		"usr/share/man/man1/etcdtap.1":                  "v9.8.7",
		"usr/share/bash-completion/completions/etcdtap": "__start_etcdtap",
		"usr/lib/systemd/system/etcdtap.service":        "\nExecStart=/usr/bin/etcdtap capture ",
	} {
		if text, err := os.ReadFile(filepath.Join(dest, file)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s does not say %q (%v)", file, want, err)
		}
	}
	commands(t, dest)
	run(t, build, dest, "uninstall")
	if left := files(t, dest); len(left) > 0 {
		t.Errorf("after make uninstall there are still %q", left)
	}
}

// commands sees to it that each command that --help lists has its page, and the generator of the pages none.
func commands(t *testing.T, dest string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(dest, "usr/bin/etcdtap"), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "Available Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	n := 0
	for line := range strings.Lines(list) {
		name := strings.Fields(line)[0]
		if name == "help" || name == "completion" { // cobra's own
			continue
		}
		n++
		page := filepath.Join(dest, "usr/share/man/man1/etcdtap-"+name+".1")
		if _, err := os.Stat(page); err != nil {
			t.Errorf("%s has no manual page: %v", name, err)
		}
		if _, err := exec.LookPath("groff"); err == nil {
			if out, err := exec.Command("groff", "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput(); err != nil || strings.Contains(string(out), "error") {
				t.Errorf("groff on %s: %v\n%s", page, err, out)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d commands in:\n%s", n, out)
	}
	if _, err := os.Stat(filepath.Join(dest, "usr/share/man/man1/etcdtap-gendocs.1")); err == nil || strings.Contains(string(out), "gendocs") {
		t.Error("the generator of the manual pages is in the product")
	}
}
