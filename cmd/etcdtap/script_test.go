package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/etcdtap/etcdtap/capture"
)

// TestMain lets the scripts run etcdtap as a command of this very binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"etcdtap": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// TestScripts runs testdata/script: what a user types, and what comes back.
func TestScripts(t *testing.T) {
	pcaps, err := filepath.Abs("../../testdata/pcaps")
	if err != nil {
		t.Fatal(err)
	}
	generated := t.TempDir()
	writePKI(t, generated)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PCAPS", pcaps)
			e.Setenv("PKI", generated)
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "libpcap":
				return capture.HasPcap, nil
			case "manifest": // this is a control-plane node
				_, err := os.Stat(defaultManifest)
				return err == nil, nil
			case "root":
				return os.Geteuid() == 0, nil
			}
			return false, nil
		},
	})
}
