package capture

import (
	"testing"

	"github.com/etcdtap/etcdtap/analysis"
)

// BenchmarkTrackerBulk is one connection whose bytes nobody wants.
func BenchmarkTrackerBulk(b *testing.B) {
	tr := NewTracker(TrackerOptions{ServerPorts: etcdPorts}, func(*analysis.Facts) {})
	r := &rig{Tracker: tr}
	r.packet.Time = 1e18
	r.play(opened)
	p := r.packet
	data := Segment{Src: hosts[1], Dst: hosts[0], SrcPort: 2379, DstPort: 40000, Seq: 500, Ack: 100, Flags: ack, Payload: make([]byte, 1448), Length: 1448}
	acks := Segment{Src: hosts[0], Dst: hosts[1], SrcPort: 40000, DstPort: 2379, Seq: 100, Flags: ack}
	b.ReportAllocs()
	b.SetBytes(1448)
	for i := range b.N {
		p.Number++
		p.Time += 1000
		tr.Segment(&p, &data)
		data.Seq += 1448
		if i%2 == 1 {
			p.Number++
			acks.Ack = data.Seq
			tr.Segment(&p, &acks)
		}
	}
}

// BenchmarkTrackerShort is connections of ten packets, six with data, one after the other; one iteration is a packet.
func BenchmarkTrackerShort(b *testing.B) {
	tr := NewTracker(TrackerOptions{ServerPorts: etcdPorts}, func(*analysis.Facts) {})
	r := &rig{Tracker: tr}
	r.packet.Time = 1e18
	payload := string(append([]byte{22, 3, 3, 2, 0, 99, 0, 1, 252}, make([]byte, 508)...)) // one message
	script := append(opened[:3:3],
		sent{from: "c", flags: ack, seq: 100, ack: 500, data: payload}, sent{from: "s", flags: ack, seq: 500, ack: 617, data: payload},
		sent{from: "c", flags: ack, seq: 617, ack: 1017, data: payload}, sent{from: "s", flags: ack, seq: 1017, ack: 1134, data: payload},
		sent{from: "c", flags: fin | ack, seq: 1134, ack: 1534}, sent{from: "s", flags: fin | ack, seq: 1534, ack: 1135}, sent{from: "c", flags: ack, seq: 1135, ack: 1535})
	segments := make([]Segment, len(script))
	for i, s := range script {
		r.send(s)
		segments[i] = r.segment
	}
	r.Flush()
	p := r.packet
	b.ReportAllocs()
	for i := range b.N {
		s := &segments[i%len(segments)]
		port := uint16(10_000 + i/len(segments)%50_000)
		if s.DstPort == 2379 {
			s.SrcPort = port
		} else {
			s.DstPort = port
		}
		p.Number++
		p.Time += 10_000
		tr.Segment(&p, s)
	}
}

// BenchmarkTrackerHalfOpen is a flood of SYNs, each answered; half of a million stay.
func BenchmarkTrackerHalfOpen(b *testing.B) {
	tr := NewTracker(TrackerOptions{MaxConnections: 500_000}, func(*analysis.Facts) {})
	p := Packet{Time: 1e18}
	s := Segment{Src: hosts[0], Dst: hosts[1], DstPort: 2379, Flags: syn, Seq: 99}
	a := Segment{Src: hosts[1], Dst: hosts[0], SrcPort: 2379, Flags: syn | ack, Seq: 499, Ack: 100}
	b.ReportAllocs()
	for i := range b.N {
		s.SrcPort, s.Src[14], s.Src[15] = uint16(i/2), byte(i>>25), byte(i>>17)
		p.Number++
		p.Time += 1000
		if i%2 == 0 {
			tr.Segment(&p, &s)
			continue
		}
		a.DstPort, a.Dst = s.SrcPort, s.Src
		tr.Segment(&p, &a)
	}
}
