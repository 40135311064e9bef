package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/etcdtap/etcdtap/capture"
	"github.com/etcdtap/etcdtap/capture/capturetest"
)

// TestWorkers: the output does not depend on how many workers there are, in no byte, for every capture at hand.
func TestWorkers(t *testing.T) {
	var all []string
	for _, pattern := range []string{"../../testdata/pcaps/*.pcap*", "../../../shared/cases/*/*.pcap*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, names...)
	}
	if len(all) == 0 {
		t.Fatal("no captures in testdata/pcaps")
	}
	for _, name := range all {
		t.Run(filepath.Base(name), func(t *testing.T) {
			args := []string{"--all", "-o", "json", "--certs", name}
			if keys := strings.TrimSuffix(name, filepath.Ext(name)) + ".keys"; exists(keys) {
				args = append(args, "--keylog", keys)
			}
			sameForAllWorkers(t, args...)
		})
	}
	t.Run("all together", func(t *testing.T) {
		sameForAllWorkers(t, append([]string{"-o", "json", "--sort", "start"}, all...)...)
		sameForAllWorkers(t, append([]string{"--problems"}, all...)...)
	})
}

// TestWorkersGenerated does the same for captures that are large enough for a pipeline to be full, with disorder, and with bounds that
// are reached.
func TestWorkersGenerated(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range append(capturetest.Kinds(), "torn") {
		for _, pcapng := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s pcapng=%v", kind, pcapng), func(t *testing.T) {
				o, _ := capturetest.Kind(cmp.Or(strings.TrimPrefix(kind, "torn"), "mix"), 20_000)
				if kind == "torn" {
					o.Missing, o.Reordered, o.Resent = 0.05, 0.1, 0.05
				}
				o.Concurrency, o.Pcapng = min(o.Concurrency, 2000), pcapng
				name := filepath.Join(t.TempDir(), "capture")
				f, err := os.Create(name)
				if err != nil {
					t.Fatal(err)
				}
				_, err = library.Write(f, o)
				if err := errors.Join(err, f.Close()); err != nil {
					t.Fatal(err)
				}
				sameForAllWorkers(t, "-o", "json", "--certs", name)
				sameForAllWorkers(t, "-o", "json", "--all", "--max-connections", "100", "--idle-timeout", "20ms", name)
			})
		}
	}
}

// TestWorkersObserved: nor does it when connections with data have to be given up for memory.
func TestWorkersObserved(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"handshakes", "mix"} {
		o, _ := capturetest.Kind(kind, 20_000)
		o.Concurrency = 2000
		var file bytes.Buffer
		if _, err := library.Write(&file, o); err != nil {
			t.Fatal(err)
		}
		options := capture.TrackerOptions{MaxHeld: 1 << 20}
		want := readFiles(t, [][]byte{file.Bytes()}, capture.PipelineOptions{Workers: 1, TrackerOptions: options})
		if n := bytes.Count(want, []byte(`"ended":"evicted"`)); n < 100 {
			t.Errorf("%s: %d connections were given up", kind, n)
		}
		for workers := 2; workers <= 4; workers++ {
			got := readFiles(t, [][]byte{file.Bytes()}, capture.PipelineOptions{Workers: workers, TrackerOptions: options})
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %d workers print something else than one, from byte %d on:\n%s\n%s", kind, workers, differsAt(got, want), rest(want, got), rest(got, want))
			}
		}
	}
}

// TestWorkersSecrets: secrets in the middle of a file open what comes after them, and nothing before, whoever reads ahead.
func TestWorkersSecrets(t *testing.T) {
	file, err := os.ReadFile("../../testdata/pcaps/v37-keys-healthy.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	blocks, secrets := pcapngBlocks(file)
	if len(secrets) == 0 {
		t.Fatal("v37-keys-healthy.pcapng has no secrets")
	}
	outputs := make(map[string]bool)
	for at := 2; at <= len(blocks); at++ { // behind the section and its interface
		name := filepath.Join(t.TempDir(), "secrets.pcapng")
		b := slices.Concat(slices.Concat(blocks[:at]...), secrets, slices.Concat(blocks[at:]...))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		outputs[strings.ReplaceAll(sameForAllWorkers(t, "-o", "json", name), name, "")] = true
	}
	if len(outputs) < 2 {
		t.Error("it makes no difference where the secrets are")
	}
}

// pcapngBlocks takes a little-endian file apart: its blocks, and those with secrets apart from them.
func pcapngBlocks(file []byte) (blocks [][]byte, secrets []byte) {
	for len(file) > 0 {
		n := binary.LittleEndian.Uint32(file[4:])
		if binary.LittleEndian.Uint32(file) == 10 {
			secrets = append(secrets, file[:n]...)
		} else {
			blocks = append(blocks, file[:n])
		}
		file = file[n:]
	}
	return blocks, secrets
}

// sameForAllWorkers reads with several numbers of workers and returns what all of them print.
func sameForAllWorkers(t *testing.T, args ...string) string {
	t.Helper()
	want, wantErr := readWith(t, 1, args)
	for _, n := range []int{2, 3, 7} {
		got, gotErr := readWith(t, n, args)
		if !bytes.Equal(got, want) || gotErr != wantErr {
			t.Errorf("%v: %d workers print something else than one, from byte %d on:\n1: %s%s\n%d: %s%s", args, n, differsAt(got, want), rest(want, got), wantErr, n, rest(got, want), gotErr)
		}
	}
	return string(want)
}

func readWith(t *testing.T, workers int, args []string) (stdout []byte, stderr string) {
	t.Helper()
	var out, diagnostics bytes.Buffer
	run(context.Background(), append([]string{"read", "--workers", fmt.Sprint(workers)}, args...), nil, nil, &out, &diagnostics)
	return out.Bytes(), diagnostics.String()
}

func differsAt(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func rest(a, b []byte) []byte {
	from := differsAt(a, b)
	return a[max(0, from-200):min(len(a), from+200)]
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
