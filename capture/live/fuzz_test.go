package live

import (
	"encoding/binary"
	"testing"

	"github.com/etcdtap/etcdtap/capture"
)

// FuzzPortProgram runs the program for the kernel on frames of any bytes: it ends without a fault, and what the decoder finds to be
// TCP of the ports, in the plain shapes that the program promises, is selected.
func FuzzPortProgram(f *testing.F) {
	ethernet := append(make([]byte, 12), 8, 0)
	ip := []byte{0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}
	tcp := append([]byte{0x75, 0x30, 0x09, 0x4b}, make([]byte, 16)...)
	tcp[12] = 5 << 4
	f.Add(append(append(append([]byte{}, ethernet...), ip...), tcp...))
	f.Add(append(append(append([]byte{}, ethernet[:12]...), 0x81, 0, 0, 1, 8, 0), append(append([]byte{}, ip...), tcp...)...))
	f.Add(append(append(make([]byte, 12), 0x86, 0xdd), append(append([]byte{0x60, 0, 0, 0, 0, 20, 6, 64}, make([]byte, 32)...), tcp...)...))
	ports := []uint16{2379, 2380}
	code := socketProgram(f, ethernetFrame, ports)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 4<<10 {
			return
		}
		took := selects(t, code, known{}, frame)
		if len(frame) < 34 || binary.BigEndian.Uint16(frame[12:]) != etherIPv4 || frame[23] != protoTCP || frame[20]&0x3f|frame[21] != 0 {
			return
		}
		var d capture.Decoder
		var s capture.Segment
		if d.Decode(&capture.Packet{Data: frame, Length: len(frame), Link: capture.LinkEthernet, Time: 1}, &s) == capture.TCP && ofPorts(s.SrcPort, s.DstPort, ports) != took {
			t.Errorf("ports %d and %d: selected is %t", s.SrcPort, s.DstPort, took)
		}
	})
}
