package capturetest_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/etcdtap/etcdtap/capture/capturetest"
)

// TestFrames holds what is written to gopacket: packet counts, lengths and checksums.
func TestFrames(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range capturetest.Kinds() {
		t.Run(kind, func(t *testing.T) {
			o, _ := capturetest.Kind(kind, 3000)
			o.Concurrency = 100
			var file bytes.Buffer
			counts, err := library.Write(&file, o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := pcapgo.NewReader(&file)
			if err != nil {
				t.Fatal(err)
			}
			if n := check(t, r); n != counts.Packets {
				t.Errorf("gopacket reads %d packets, %d were counted", n, counts.Packets)
			}
		})
	}
}

func check(t *testing.T, r gopacket.PacketDataSource) (n int64) {
	t.Helper()
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatalf("packet %d: %v", n+1, err)
		}
		n++
		p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)
		if info.CaptureLength != info.Length {
			t.Fatalf("packet %d: %d bytes of %d", n, info.CaptureLength, info.Length)
		}
		if e := p.ErrorLayer(); e != nil && p.Layer(layers.LayerTypeUDP) == nil {
			t.Fatalf("packet %d: %v", n, e.Error())
		}
		if tcp, ok := p.TransportLayer().(*layers.TCP); ok {
			tcp.SetNetworkLayerForChecksum(p.NetworkLayer())
			if err, result := tcp.VerifyChecksum(); err != nil || !result.Valid {
				t.Fatalf("packet %d: TCP checksum %+v, %v", n, result, err)
			}
		}
	}
}

// TestSame makes the same capture twice, once as pcapng.
func TestSame(t *testing.T) {
	library, err := capturetest.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	o, _ := capturetest.Kind("mix", 2000)
	var one, two, ng bytes.Buffer
	first, _ := library.Write(&one, o)
	second, _ := library.Write(&two, o)
	if diff := cmp.Diff(first, second); diff != "" || !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Errorf("the second capture differs: %s", diff)
	}
	o.Pcapng = true
	if third, err := library.Write(&ng, o); err != nil || !cmp.Equal(first, third) {
		t.Errorf("pcapng: %v, %s", err, cmp.Diff(first, third))
	}
	r, err := pcapgo.NewNgReader(&ng, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if n := check(t, r); n != first.Packets {
		t.Errorf("gopacket reads %d packets from pcapng, %d were counted", n, first.Packets)
	}
}
