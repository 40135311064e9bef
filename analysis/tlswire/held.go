package tlswire

import "unsafe"

// bytesOfName is what a protocol's name takes besides its bytes: the string, and what the allocator adds.
const bytesOfName = int(unsafe.Sizeof("")) + 8

// Held is about how many bytes the lists of h take, which may be many times those of the message: thirty thousand protocols of one letter.
func (h *ClientHello) Held() int {
	n := 2*(len(h.CipherSuites)+len(h.SupportedVersions)+len(h.Groups)+len(h.SignatureAlgorithms)+len(h.SignatureAlgorithmsCert)) +
		len(h.PointFormats) + len(h.PSKModes) + len(h.ServerName) +
		len(h.KeyShares)*int(unsafe.Sizeof(KeyShare{})) + heldBy(h.Extensions) + len(h.ALPN)*bytesOfName
	for _, name := range h.ALPN {
		n += len(name)
	}
	return n
}

// Held is about how many bytes the lists of h take.
func (h *ServerHello) Held() int { return heldBy(h.Extensions) + len(h.ALPN) }

// Held is about how many bytes the lists of h take.
func (h *SSLv2ClientHello) Held() int { return 4 * len(h.CipherSpecs) }

func heldBy(list []Extension) int { return len(list) * int(unsafe.Sizeof(Extension{})) }
