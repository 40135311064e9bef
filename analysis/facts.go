package analysis

import (
	"net/netip"
	"time"

	"github.com/etcdtap/etcdtap/analysis/tlswire"
)

// Direction is one of the two streams of a connection; it indexes [2]T arrays.
type Direction uint8

const (
	FromClient Direction = iota // the stream that the client sends
	FromServer                  // the stream that the server sends
)

func (d Direction) String() string { return [...]string{"client", "server"}[d] }

// Other is the opposite direction.
func (d Direction) Other() Direction { return d ^ 1 }

// CloseKind is how a stream ended.
type CloseKind uint8

const (
	CloseNone    CloseKind = iota // not closed when last seen
	CloseFIN                      // FIN, or a half-close through the proxy
	CloseRST                      // RST
	CloseIdle                     // nothing for the idle time: given up by us
	CloseEnd                      // the capture ended
	CloseEvicted                  // given up by us to bound memory
)

func (k CloseKind) String() string {
	return [...]string{"none", "fin", "rst", "idle", "end", "evicted"}[k]
}

// Visibility says whether something was seen, and if not, why not. "Not sent" and "not visible" are never the same.
type Visibility uint8

const (
	Missed    Visibility = iota // would have been visible, but the capture has a gap, started late or saw one side only
	Seen                        // seen in clear
	Absent                      // not sent, and we know that
	Hidden                      // sent encrypted, if it was sent
	Decrypted                   // sent encrypted, and seen with the secrets of a key log
)

func (v Visibility) String() string {
	return [...]string{"missed", "seen", "absent", "hidden", "decrypted"}[v]
}

// Shown reports whether it was seen, in clear or decrypted.
func (v Visibility) Shown() bool { return v == Seen || v == Decrypted }

// KnownAs is the address by which the server knows the client, and its log names it.
func (f *Facts) KnownAs() netip.AddrPort {
	if f.Outgoing.IsValid() {
		return f.Outgoing
	}
	return f.Client
}

// Facts is what was seen of one connection. It holds no judgement: two producers that saw the same bytes give the
// same facts. A Facts belongs to its Conn and is valid until that Conn is reset.
type Facts struct {
	Client, Server netip.AddrPort // zero for unix sockets
	Outgoing       netip.AddrPort // proxy: its address towards the server, which takes it for the client's; else zero
	Dialed         netip.AddrPort // proxy: the address that the client connected to, which is not Server; zero for a unix socket, and without a proxy
	DialError      string         // proxy: why it got no connection to the server, which did not refuse it; else ""
	Role           Endpoint       // what the producer knows of the server's port; EndpointOther: nothing, and its number tells
	RolesGuessed   bool           // no SYN was seen: who is client was judged by ports and first bytes
	Start, End     time.Time      // first and last packet (proxy: accept and last close)
	Until          time.Time      // when watching ended; valid iff Ended is not CloseNone
	Ended          CloseKind      // why watching ended when the peers had not both closed: CloseIdle, CloseEnd, CloseEvicted; else CloseNone
	TCP            TCPFacts
	Stream         [2]StreamFacts // by Direction
	TLS            *TLSFacts      // nil iff neither side sent anything that is TLS
}

// TCPFacts is what the transport showed. The proxy leaves the packet counts at zero.
type TCPFacts struct {
	FirstPacket, LastPacket int64    // 1-based packet numbers in the capture
	Packets                 [2]int64 // by Direction
	SYN, SYNACK             bool     // the handshake's packets were seen
	Established             bool     // proxy: connected; capture: something after the SYN-ACK showed it
	Refused                 bool     // the SYN was answered by RST
	Retransmitted           int64    // segments that repeated only bytes already seen
	Conflicting             int64    // bytes seen twice with different values; the first were kept
	ConflictPacket          int64    // the packet of the first conflict; 0 if none
	OutOfOrder              int64    // segments that came before their turn
	Truncated               int64    // packets cut short by the capture's snapshot length
	Evicted                 bool     // given up early to bound memory
	ClosesSwapped           bool     // both sides sent FIN, and by their acknowledgements in another order than that of the packets
}

// StreamFacts is what one side sent.
type StreamFacts struct {
	Protocol    Protocol  // what its first bytes are; ProtocolNone when it sent none
	Request     string    // HTTP/1.x: method and path, SSH: banner, raw from the wire; escape before printing
	Then        Protocol  // what followed the first protocol on the same stream: ProtocolTLS after a PROXY header or a STARTTLS dialogue
	FirstBytes  []byte    // the first bytes, at most maxFirstBytes; nil when the beginning was missed
	FirstAt     time.Time // when they came
	FirstPacket int64
	LastAt      time.Time // when its last byte came; zero when none did
	Bytes       int64     // stream bytes, captured or not
	Missed      int64     // of them lost in the capture
	StartMissed bool      // the stream's first byte was not captured
	EarlyGap    bool      // bytes are missing among those the analysis needed (handshake, first bytes)
	Close       CloseKind // CloseFIN, CloseRST or CloseNone: what the peer saw; our own giving up is Facts.Ended
	ClosedAt    time.Time
	ClosePacket int64
	Incomplete  bool // ended inside a record or message

	told int64 // the place of the first byte among all that was told of the connection; valid iff Bytes > 0

	Inner        Protocol // what the first application data inside TLS are; ProtocolNone where none were decrypted
	InnerRequest string   // as Request, of what is inside TLS
}

// TLSFacts is what TLS showed in clear or with a key log, and the shape of what it did not.
type TLSFacts struct {
	Version     tlswire.Version     // agreed; 0 until the ServerHello
	CipherSuite tlswire.CipherSuite // agreed; valid iff ServerHello != nil
	Group       tlswire.Group       // of the key exchange; 0 when it is not visible
	ALPN        string              // agreed on, as far as it is visible; "" when none or hidden
	Resumed     bool                // the server took up an earlier session (TLS 1.2 session id or ticket, TLS 1.3 PSK)
	HelloRetry  bool                // a HelloRetryRequest was seen

	ClientHello   *tlswire.ClientHello // the last one seen, without its random and session id; nil if none. It may be shared with other connections
	ClientHelloAt Moment
	Malformed     bool                 // the ClientHello does not parse: fields after the fault are missing, and it has no fingerprint
	ServerHello   *tlswire.ServerHello // likewise
	ServerHelloAt Moment
	SSLv2         *tlswire.SSLv2ClientHello // an SSLv2 ClientHello; nil if none

	CertificateRequest CertificateRequestFacts
	Certificates       [2]CertificateFacts // by the Direction that presents them
	HelloDone          bool                // TLS 1.2: ServerHelloDone was seen
	ClientKeyExchange  bool                // TLS 1.2: ClientKeyExchange was seen
	Encrypted          [2]EncryptedFacts   // by Direction
	Finished           [2]bool             // the side sent its Finished. TLS 1.3: only where it was decrypted; else see Shape
	ALPNVisibility     Visibility          // of ALPN; Absent: the server chose none
	Tickets            int64               // NewSessionTicket messages of the server, seen or decrypted

	KeysFound     bool     // the key log has secrets of this connection that fit its version and cipher suite
	DecryptFailed [2]int64 // by Direction: records that these secrets do not open; what follows them is hidden

	Alerts        []Alert     // at most maxAlerts, in the order in which they came
	AlertsDropped int64       // alerts beyond maxAlerts
	Violations    []Violation // at most maxViolations

	clientKind       *HelloKind // of the ClientHello; nil if it is of none that is remembered
	serverKind       *HelloKind // of the ServerHello, likewise
	joinedLate       bool       // records were found in mid-stream only
	shaped           bool       // shape holds what the record lengths give away, read once for all who ask
	shape            Shape
	lengthsRead      bool    // shape holds all but what the alerts add
	extensionsOpened bool    // EncryptedExtensions was decrypted
	flightOpened     [2]bool // by Direction: each message of the TLS 1.3 handshake was decrypted
}

// Moment is when something was seen.
type Moment struct {
	At     time.Time
	Packet int64 // 0 when there are no packets
}

// CertificateRequestFacts is the server's CertificateRequest.
type CertificateRequestFacts struct {
	Visibility     Visibility
	Authorities    []string // acceptable CA names in RFC 4514's form, at most maxAuthorities; Seen and empty means any CA
	RawAuthorities [][]byte // the same names in DER
	More           int      // names beyond maxAuthorities
	Packet         int64
}

// CertificateFacts is a Certificate message.
type CertificateFacts struct {
	Visibility Visibility
	Chain      []*Certificate // leaf first, at most maxChain; Seen and empty is an empty Certificate message
	More       int            // certificates beyond maxChain
	Packet     int64
	At         time.Time

	seen      bool // the message came, in clear or decrypted
	decrypted bool // it was decrypted
}

// Alert is one alert record.
type Alert struct {
	From       Direction
	Level      tlswire.AlertLevel // valid iff !Encrypted
	Code       tlswire.AlertCode  // valid iff !Encrypted
	Encrypted  bool               // level and code are hidden: an alert by its record type (TLS 1.2), or by position and size (TLS 1.3); then Inferred
	Decrypted  bool               // it was encrypted, and a key log's secrets opened it; then not Encrypted
	Inferred   bool
	At         time.Time
	Packet     int64
	BeforeData bool // no application data had been sent by this side before it
}

// EncryptedFacts is the shape of a stream after encryption began.
type EncryptedFacts struct {
	Started bool          // encryption began
	At      time.Time     // valid iff Started
	Packet  int64         // valid iff Started
	Shape   []RecordShape // the first maxShape encrypted records
	Records int64         // encrypted records of any kind
	Opened  int64         // those that were decrypted
	Data    int64         // those of type application_data
	Last    RecordShape   // the last encrypted record; valid iff Records > 0
}

// RecordShape is an encrypted record as seen from outside. It is small: a connection that is over keeps a dozen.
type RecordShape struct {
	Ns     int64 // when it came, in nanoseconds since the Unix epoch
	Packet int64
	told   int64  // its place among all that was told of the connection
	Length uint16 // ciphertext bytes, without the five of the header
	Type   tlswire.ContentType
}

// At is when the record came.
func (r *RecordShape) At() time.Time { return time.Unix(0, r.Ns).UTC() }

// Violation is something malformed. Parsing went on where framing allowed it.
type Violation struct {
	From   Direction
	Kind   ViolationKind
	Err    *tlswire.SyntaxError // names the field and the offset
	At     time.Time
	Packet int64
}
