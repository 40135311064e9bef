package capture

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// TestAgainstPcapgo reads real captures and compares with what gopacket reads.
func TestAgainstPcapgo(t *testing.T) {
	for _, pattern := range []string{
		"testdata/*.pcap*", "../testdata/pcaps/*.pcap*", "../../shared/cases/*/*.pcap*",
	} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			t.Logf("SKIPPED: there are no captures in %s", pattern)
		}
		for _, name := range names {
			compareWithPcapgo(t, name)
		}
	}
}

func compareWithPcapgo(t *testing.T, name string) {
	f, err := Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := readAll(f)
	if err != io.EOF {
		t.Errorf("%s: ended with %v", name, err)
	}
	if len(got) == 0 {
		t.Errorf("%s: no packets", name)
	}
	want, err := pcapgoPackets(name)
	if err != nil {
		t.Fatalf("%s: pcapgo: %v", name, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// pcapgoPackets reads an uncompressed capture with gopacket.
func pcapgoPackets(name string) ([]Packet, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r interface {
		gopacket.PacketDataSource
		LinkType() layers.LinkType
	}
	if bytes.HasPrefix(b, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err = pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	} else {
		r, err = pcapgo.NewReader(bytes.NewReader(b))
	}
	if err != nil {
		return nil, err
	}
	var all []Packet
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		link := r.LinkType()
		if len(info.AncillaryData) > 0 {
			link, _ = info.AncillaryData[0].(layers.LinkType)
		}
		all = append(all, Packet{Number: int64(len(all) + 1), Time: info.Timestamp.UnixNano(), Data: slices.Clone(data),
			Length: info.Length, Link: LinkType(link), Interface: int32(info.InterfaceIndex)})
	}
}
