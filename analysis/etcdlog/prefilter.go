package etcdlog

import "bytes"

// needles are texts of which every entry has at least one, in every format and
// wrapping: so they hold no character that JSON or Go quoting would escape.
// None is shorter than window.
var needles = [...]string{
	"rejected connection",     // embed, etcdmain
	"ServerHandshake",         // grpc >= 1.41
	"security handshake",      // grpc <= 1.40
	"detected unhealthy",      // rafthttp, zap
	"health check for peer",   // rafthttp, capnslog
	"failed to dial",          // rafthttp
	"on pipeline",             // rafthttp
	"reach the peer",          // cluster_util
	"cluster response",        // cluster_util
	"get version",             // cluster_util, zap
	"version of member",       // cluster_util, capnslog
	"handshake failed",        // grpc clients
	"server preface",          // grpc clients
	"HTTP/1.1 header",         // grpc clients
	"connection error: desc",  // grpc clients
	"createTransport",         // grpc clients
	"balancer error: ",        // grpc clients
	"Failed to dial",          // grpcurl
	"curl: (",                 // curl
	"SSL alert",               // openssl
	"verify error:num",        // openssl
	"Verify return code",      // openssl
	"wrong version number",    // openssl
	"Error: context deadline", // etcdctl's last line
	"record does not look like a TLS",
	"HTTP response to HTTPS client",
	"client: etcd cluster is unavailable", // etcdctl of the v2 API
	startMessage,
	"etcd Version: ",
	`"MESSAGE":[`, // journalctl -o json: the text as an array of bytes
	`"MESSAGE" : [`,
}

const (
	window    = 7  // length of the shortest needle; what can be skipped at most is window-1
	blockBits = 12 // two characters, six bits of each
	noShift   = uint8(0)
)

// skips is the shift table of Wu and Manber ("A fast algorithm for
// multi-pattern searching", 1994) for needles, with blocks of two bytes: how
// far the window may move when it ends in this block. It is not written to
// after its initialisation.
var skips = newSkips()

func newSkips() (t [1 << blockBits]uint8) {
	for i := range t {
		t[i] = window - 1
	}
	for _, n := range needles {
		for end := 1; end < window; end++ {
			h := block(n[end-1], n[end])
			t[h] = min(t[h], uint8(window-1-end))
		}
	}
	return t
}

// block hashes two bytes. Six bits keep small letters, digits and space apart.
func block(a, b byte) int { return int(a&0x3f)<<6 | int(b&0x3f) }

// relevant reports whether line may be an entry. It is what nearly every line
// costs: some 50 steps for 300 bytes, no allocation.
func relevant(line []byte) bool {
	for end := window - 1; end < len(line); {
		skip := skips[block(line[end-1], line[end])]
		if skip != noShift {
			end += int(skip)
			continue
		}
		if needleAt(line[end-window+1:]) {
			return true
		}
		end++
	}
	return false
}

func needleAt(b []byte) bool {
	for i := range needles {
		n := needles[i]
		if b[0] == n[0] && len(b) >= len(n) && string(b[:len(n)]) == n {
			return true
		}
	}
	return false
}

// contains is bytes.Contains for a text.
func contains(b []byte, text string) bool { return bytes.Contains(b, []byte(text)) }
