package analysis

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// TestOwnHello gives a hello in a buffer that is used again, and wants it kept, though not the keys in it.
func TestOwnHello(t *testing.T) {
	record := goClientHello(t, "etcd")
	var want tlswire.ClientHello
	if err := want.Unmarshal(append([]byte(nil), record[tlswire.RecordHeaderLen+tlswire.MessageHeaderLen:]...)); err != nil {
		t.Fatal(err)
	}
	want.Random, want.SessionID = [32]byte{}, nil
	keys := 0
	for i := range want.Extensions {
		if e := &want.Extensions[i]; e.Type == tlswire.ExtensionKeyShare {
			keys += len(e.Data)
			e.Data = nil
		}
	}
	c := NewConn(netip.AddrPort{}, netip.AddrPort{}, time.Unix(1, 0))
	c.Data(FromClient, time.Unix(1, 0), record)
	size := len(record)
	clear(record)
	if d := cmp.Diff(&want, c.Facts().TLS.ClientHello); d != "" {
		t.Errorf("the hello has changed (-want +got):\n%s", d)
	}
	if n := cap(c.stream[FromClient].hello); keys == 0 || n > size-keys/2 {
		t.Errorf("%d bytes are kept of a hello of %d, of which %d are keys", n, size, keys)
	}
}

// goClientHello is the record with which crypto/tls begins.
func goClientHello(t *testing.T, server string) []byte {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go tls.Client(theirs, &tls.Config{ServerName: server, NextProtos: []string{"h2"}}).Handshake()
	header := make([]byte, tlswire.RecordHeaderLen)
	if _, err := io.ReadFull(ours, header); err != nil {
		t.Fatal(err)
	}
	h, ok := tlswire.ParseRecordHeader(header)
	if !ok {
		t.Fatalf("no record begins with %x", header)
	}
	body := make([]byte, h.Length)
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	return append(header, body...)
}
