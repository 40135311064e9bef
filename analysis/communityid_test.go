package analysis

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"testing"
)

// The vectors are those of github.com/corelight/community-id-spec, baseline/baseline_deflt.json, and of its implementations.
func TestCommunityID(t *testing.T) {
	tests := []struct{ name, a, b, want string }{
		{"IPv4", "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"in order already", "1.2.3.4:1122", "5.6.7.8:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"mapped", "[::ffff:1.2.3.4]:1122", "5.6.7.8:3344", "1:wCb3OG7yAFWelaUydu0D+125CLM="},
		{"IPv6", "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		{"two families", "1.2.3.4:1122", "[::1]:3344", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, b := netip.MustParseAddrPort(test.a), netip.MustParseAddrPort(test.b)
			if got := string(new(CommunityIDs).Append(nil, a, b)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := string(new(CommunityIDs).Append(nil, b, a)); got != test.want {
				t.Errorf("the other way: got %q, want %q", got, test.want)
			}
		})
	}
	if got := new(CommunityIDs).Append(nil, netip.AddrPort{}, netip.AddrPort{}); len(got) != 0 {
		t.Errorf("no addresses: got %q", got)
	}
}

// The same address on both sides: the ports decide.
func TestCommunityIDOrdersByPort(t *testing.T) {
	a, b := netip.MustParseAddrPort("127.0.0.1:41234"), netip.MustParseAddrPort("127.0.0.1:2379")
	if x, y := string(new(CommunityIDs).Append(nil, a, b)), string(new(CommunityIDs).Append(nil, b, a)); x != y || len(x) != 30 {
		t.Errorf("%q one way, %q the other", x, y)
	}
}

// TestBase64: any sum is encoded as encoding/base64 does.
func TestBase64(t *testing.T) {
	for i := range 10_000 {
		sum := sha1.Sum([]byte{byte(i), byte(i >> 8)})
		want := "1:" + base64.StdEncoding.EncodeToString(sum[:])
		if got := string(appendBase64([]byte("1:"), &sum)); got != want {
			t.Fatalf("%x: got %s, want %s", sum, got, want)
		}
	}
}

// TestSumOfState: the digest's state is known to this version of Go, and what is taken from it is the SHA-1 that others make.
func TestSumOfState(t *testing.T) {
	var m CommunityIDs
	plain := CommunityIDs{digest: sha1.New()}
	for n := range sha1.BlockSize - 8 {
		for i := range n {
			m.block[i], plain.block[i] = byte(7*i+n), byte(7*i+n)
		}
		want := sha1.Sum(m.block[:n])
		if got := m.sum(n); string(got) != string(want[:]) {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
		if got := plain.sum(n); string(got) != string(want[:]) {
			t.Errorf("%d bytes without its state: %x, want %x", n, got, want)
		}
	}
	if m.state == nil {
		t.Error("crypto/sha1 has another state now: taking the sum from it saves nothing any more")
	}
}

func BenchmarkCommunityID(b *testing.B) {
	var m CommunityIDs
	from, to := netip.MustParseAddrPort("128.232.110.120:34855"), netip.MustParseAddrPort("66.35.250.204:80")
	room := make([]byte, 0, 64)
	for b.Loop() {
		m.Append(room, from, to)
	}
}

// TestCommunityIDAllocatesNothing: each line of a capture has one.
func TestCommunityIDAllocatesNothing(t *testing.T) {
	var m CommunityIDs
	room := make([]byte, 0, 64)
	for _, a := range []string{"128.232.110.120:34855", "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943"} {
		from := netip.MustParseAddrPort(a)
		to := netip.AddrPortFrom(from.Addr().Next(), 2379)
		m.Append(room, from, to)
		if n := testing.AllocsPerRun(100, func() { m.Append(room, from, to) }); n != 0 {
			t.Errorf("%s: %v allocations", a, n)
		}
	}
}
