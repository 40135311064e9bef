package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/etcdtap/etcdtap/analysis"
	"github.com/etcdtap/etcdtap/analysis/deploy"
	"github.com/etcdtap/etcdtap/analysis/keylog"
	"github.com/etcdtap/etcdtap/analysis/pki"
	"github.com/etcdtap/etcdtap/capture"
)

// FuzzTogether goes the whole way with all that read takes at once, each of any bytes: two captures, a log, a key log, certificates and a
// configuration. Lists and texts of the output stay within their bounds, and nothing in it moves a cursor.
func FuzzTogether(f *testing.F) {
	some := func(name string) []byte {
		b, err := os.ReadFile("../../testdata/pcaps/" + name)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	for _, name := range []string{"v37-keys-wrong-ca", "v37-keys-peer-san", "v37-keys-no-cert"} {
		whole := some(name + ".pcap")
		f.Add(whole, []byte(nil), some(name+".log"), some(name+".keys"), []byte("trusted-ca-file: ca.crt\nclient-cert-auth: true\n"))
	}
	f.Add(some("v37-keys-healthy.pcapng"), some("v35-curl-expired.pcap"), some("v35-curl-expired.log"), []byte("CLIENT_RANDOM 00 00\n"), []byte("[Service]\nExecStart=/usr/bin/etcd --cert-file x\n"))
	limits := documentedBounds(f)
	f.Fuzz(func(t *testing.T, first, second, log, keys, files []byte) {
		if len(first)+len(second)+len(log)+len(keys)+len(files) > 128<<10 {
			return
		}
		limits.check(t, readTogether(t, "json", first, second, log, keys, files))
		checkText(t, readTogether(t, "text", first, second, log, keys, files))
	})
}

// readTogether reads captures, a log, a key log, and files that are both certificates and a configuration.
func readTogether(t *testing.T, format string, first, second, log, keys, files []byte) []byte {
	t.Helper()
	var captures []*capture.File
	for _, b := range [][]byte{first, second, log} {
		if strings.HasPrefix(string(b), "\x1f\x8b") || strings.HasPrefix(string(b), "\x28\xb5") {
			return nil // see readBy
		}
	}
	for _, b := range [][]byte{first, second} {
		if one, err := capture.OpenReader("fuzz", bytes.NewReader(b)); err == nil {
			captures = append(captures, one)
		}
	}
	if len(captures) == 0 {
		return nil
	}
	s := scope{all: true, expect: analysis.DefaultExpectations()}
	s.expect.PKI = new(pki.Store)
	s.expect.PKI.Add(pki.File{Name: "ca.crt", Data: files})
	if d, err := deploy.Parse("etcd", files); err == nil {
		s.expect.Deployment = d
	}
	var secrets keylog.Log
	secrets.Write(keys)
	secrets.End()
	var out bytes.Buffer
	e := &environment{stdin: bytes.NewReader(log), stdout: &out, stderr: io.Discard, log: zap.NewNop()}
	flags := &outputFlags{formatFlags: formatFlags{output: format, color: "never"}, certs: true}
	o := capture.PipelineOptions{Workers: 1, TrackerOptions: capture.TrackerOptions{MaxConnections: 64, MaxHeld: 256 << 10, Keys: &secrets}}
	_ = e.report(context.Background(), captures, s, o, []string{"-"}, flags) // the only error is that no packet could be decoded
	return out.Bytes()
}
