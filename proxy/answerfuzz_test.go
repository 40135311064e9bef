package proxy

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzAnswer: whatever a client sends in clear, the answer to it ends and is not much longer.
func FuzzAnswer(f *testing.F) {
	var request bytes.Buffer
	framer := http2.NewFramer(&request, nil)
	request.WriteString(http2.ClientPreface)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, h := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: "content-type", Value: "application/grpc"}} {
		encoder.WriteField(h)
	}
	framer.WriteSettings()
	framer.WritePing(false, [8]byte{})
	framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	f.Add(request.Bytes())
	f.Add([]byte("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("HEAD "))
	text := strings.Repeat("t", 200)
	f.Fuzz(func(t *testing.T, p []byte) {
		var out bytes.Buffer
		switch clearText(p) {
		case plaintextHTTP1:
			_ = explainHTTP1(bytes.NewReader(p), &out, text)
		case plaintextHTTP2:
			_ = explainHTTP2(bytes.NewReader(p), &out, text) // that the client cannot be understood ends it
		}
		if most := 1000 + maxAnswers*1000 + 2*len(p); out.Len() > most {
			t.Errorf("%d bytes of answer to %d", out.Len(), len(p))
		}
	})
}
