package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeysGrow: what is written to a key log after it was opened is found, also when a line comes in two parts.
func TestKeysGrow(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	line := "CLIENT_RANDOM " + strings.Repeat("00", 32) + " " + strings.Repeat("4d", 48)
	write := func(s string) {
		t.Helper()
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	write("# begun\n" + line[:50])
	k, err := openKeys([]string{name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	if _, ok := k.Lookup([32]byte{}); ok {
		t.Error("found in half a line")
	}
	write(line[50:] + "\n")
	if s, ok := k.Lookup([32]byte{}); !ok || !s.Complete() {
		t.Error("not found after the line was completed")
	}
	if s := k.stats(); s.Malformed > 0 || s.Secrets != 1 {
		t.Errorf("%+v", s)
	}
}

// TestKeysFail: a key log that cannot be read any more is no secret.
func TestKeysFail(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys.log")
	writeFile(t, name, nil)
	k, err := openKeys([]string{name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.close()
	r := &reader{}
	r.options.Keys = k
	if in := r.input(false); len(in.Other) != 1 || !strings.HasPrefix(in.Other[0].Name, "reading the key log "+name) {
		t.Errorf("also: %v", in.Other)
	}
}
