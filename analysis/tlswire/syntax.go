package tlswire

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// SyntaxError says where a handshake message departs from its definition. Parsers return the first one and parse on
// where the framing still holds: we observe, we do not enforce.
type SyntaxError struct {
	Offset  int    // bytes from the beginning of the message body (after its four-byte header), 0 … len(body)
	Path    string // the field, such as "ClientHello.extensions.server_name"
	Problem string // what is wrong with it, such as "empty host_name"
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed at offset %d: %s: %s", e.Offset, e.Path, e.Problem)
}

// decoder keeps the place in a message and the first error. Offsets come from capacities: cryptobyte hands out slices
// of the body that keep its end, so that what is left of the capacity tells where a slice begins.
type decoder struct {
	message string // the root of every path, "ClientHello"
	field   string // the field being read; "" for an extension as a whole
	end     int    // cap of the body

	inExtensions bool
	extension    ExtensionType // valid iff inExtensions
	low          uint64        // the extensions with numbers under 64 that were seen

	first *SyntaxError
}

func newDecoder(message string, body []byte) decoder {
	return decoder{message: message, end: cap(body)}
}

// fail records the problem unless there was an earlier one. at begins where the problem is. It returns false.
func (d *decoder) fail(at cryptobyte.String, problem string) bool {
	if d.first == nil {
		d.first = &SyntaxError{Offset: d.end - cap(at), Path: d.path(), Problem: problem}
	}
	return false
}

func (d *decoder) path() string {
	path := d.message
	if d.inExtensions {
		path += ".extensions." + d.extension.String()
	}
	if d.field != "" {
		path += "." + d.field
	}
	return path
}

const (
	cutShort  = "cut short"
	emptyList = "empty list"
)

func (d *decoder) uint8(s *cryptobyte.String, v *uint8) bool {
	return s.ReadUint8(v) || d.fail(*s, cutShort)
}

func (d *decoder) uint16(s *cryptobyte.String, v *uint16) bool {
	return s.ReadUint16(v) || d.fail(*s, cutShort)
}

func (d *decoder) skip(s *cryptobyte.String, n int) bool {
	return s.Skip(n) || d.fail(*s, cutShort)
}

// vector8 reads a vector with a length of one byte.
func (d *decoder) vector8(s, v *cryptobyte.String) bool {
	at := *s
	return s.ReadUint8LengthPrefixed(v) || d.fail(at, cutShort)
}

// vector16 reads a vector with a length of two bytes.
func (d *decoder) vector16(s, v *cryptobyte.String) bool {
	at := *s
	return s.ReadUint16LengthPrefixed(v) || d.fail(at, cutShort)
}

// vector24 reads a vector with a length of three bytes.
func (d *decoder) vector24(s, v *cryptobyte.String) bool {
	at := *s
	return s.ReadUint24LengthPrefixed(v) || d.fail(at, cutShort)
}

// list16 reads a vector16 that must not be empty, and that the data of an extension must consist of.
func (d *decoder) list16(s, v *cryptobyte.String) bool {
	at := *s
	if !d.vector16(s, v) {
		return false
	}
	d.used(*s)
	return !v.Empty() || d.fail(at, emptyList)
}

// list8 is list16 for a vector with a length of one byte.
func (d *decoder) list8(s, v *cryptobyte.String) bool {
	at := *s
	if !d.vector8(s, v) {
		return false
	}
	d.used(*s)
	return !v.Empty() || d.fail(at, emptyList)
}

// used checks that nothing is left of s.
func (d *decoder) used(s cryptobyte.String) bool {
	return s.Empty() || d.fail(s, "trailing data")
}

// empty checks that an extension that is a mere flag carries nothing.
func (d *decoder) empty(s cryptobyte.String) bool {
	return s.Empty() || d.fail(s, "not empty")
}

// maxDuplicateScan is how many of a message's extensions are searched for a duplicate of one with a number of 64 or
// more. Real hellos carry under 40 extensions; without a bound a hostile one of 64 KiB would cost 16,000² comparisons.
const maxDuplicateScan = 64

// maxKept is how many elements a reused slice may have room for: ten times what real hellos carry, so that one hostile
// hello does not make a pooled struct large for good.
const maxKept = 512

// reuse empties s for the next message.
func reuse[T any](s []T) []T {
	if cap(s) > maxKept {
		return nil
	}
	clear(s) // drop aliases of the previous message
	return s[:0]
}

// maxSessionID is the longest session id in bytes (RFC 8446, Section 4.1.2).
const maxSessionID = 32

// sessionID reads legacy_session_id, or its echo.
func (d *decoder) sessionID(s *cryptobyte.String, dst *[]byte) bool {
	at := *s
	var id cryptobyte.String
	if !d.vector8(s, &id) {
		return false
	}
	if len(id) > maxSessionID {
		d.fail(at, "longer than 32 bytes")
	}
	*dst = id
	return true
}

// extensionBlock takes the extensions from the end of a message. A block that is cut short yields what there is of it.
func (d *decoder) extensionBlock(s *cryptobyte.String) cryptobyte.String {
	d.field = "extensions"
	at := *s
	var block cryptobyte.String
	if d.vector16(s, &block) {
		d.used(*s)
		return block
	}
	at.Skip(min(2, len(at)))
	return at
}

// nextExtension reads one extension of a block (RFC 8446, Section 4.2), appends it to seen and makes it the scope of
// further errors. It returns false at the end of the block, or where the framing is broken.
func (d *decoder) nextExtension(block *cryptobyte.String, seen *[]Extension) bool {
	d.inExtensions = false
	d.field = "extensions"
	if block.Empty() {
		return false
	}
	at := *block
	var t uint16
	if !d.uint16(block, &t) {
		return false
	}
	d.inExtensions, d.extension, d.field = true, ExtensionType(t), ""
	var data cryptobyte.String
	if !d.vector16(block, &data) {
		return false
	}
	if d.seenBefore(ExtensionType(t), *seen) {
		d.fail(at, "duplicate extension")
	}
	*seen = append(*seen, Extension{Type: ExtensionType(t), Data: data})
	return true
}

func (d *decoder) seenBefore(t ExtensionType, seen []Extension) bool {
	if t < 64 {
		before := d.low&(1<<t) != 0
		d.low |= 1 << t
		return before
	}
	return hasExtension(seen[:min(len(seen), maxDuplicateScan)], t)
}

func hasExtension(list []Extension, t ExtensionType) bool {
	for i := range list {
		if list[i].Type == t {
			return true
		}
	}
	return false
}

// uint16s appends the numbers of a list to dst; what is left over is trailing data.
func uint16s[T ~uint16](d *decoder, list cryptobyte.String, dst []T) []T {
	for len(list) >= 2 {
		var v uint16
		list.ReadUint16(&v)
		dst = append(dst, T(v))
	}
	if !list.Empty() {
		d.fail(list, "odd length")
	}
	return dst
}
