package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/etcdtap/etcdtap/analysis"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Bounds of an answer.
const (
	answerTime     = 5 * time.Second
	maxRequest     = 16 << 10 // bytes of an HTTP/1 request's head that are read
	maxLinger      = 1 << 20  // bytes read after the answer so that it is not destroyed by an RST
	maxAnswers     = 16       // streams of an HTTP/2 connection: grpcurl opens two
	maxFrames      = 1024
	maxHeaderBytes = 16 << 10 // of a stream's headers
)

// plaintext is what a client spoke that is no TLS.
type plaintext uint8

const (
	plaintextNone plaintext = iota
	plaintextMore           // may become one of the others
	plaintextHTTP1
	plaintextHTTP2
)

// methods are HTTP's, with the space behind them.
var methods = [...]string{"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH "}

// clearText says what p begins with.
func clearText(p []byte) plaintext {
	more := false
	for _, m := range append(methods[:], http2.ClientPreface) {
		switch {
		case len(p) < len(m):
			more = more || strings.HasPrefix(m, string(p))
		case string(p[:len(m)]) == m && m == http2.ClientPreface:
			return plaintextHTTP2
		case string(p[:len(m)]) == m:
			return plaintextHTTP1
		}
	}
	if more {
		return plaintextMore
	}
	return plaintextNone
}

// examine looks at the client's first bytes, and returns those that are to be passed on now.
func (c *conn) examine(p []byte) []byte {
	all := p
	if len(c.held) > 0 {
		all = append(c.held, p...)
	}
	switch kind := clearText(all); kind {
	case plaintextMore:
		c.held = bytes.Clone(all)
		c.active = c.l.now
		return nil
	case plaintextHTTP1, plaintextHTTP2:
		c.answer(kind, bytes.Clone(all))
		return nil
	}
	c.suspect, c.held = false, nil
	return all
}

// acquit passes on what was held: no more comes.
func (c *conn) acquit() {
	c.suspect = false
	if p := c.held; len(p) > 0 {
		c.held = nil
		c.pass(analysis.FromClient, p)
	}
}

// answer takes the client out of the loop and explains to it what is wrong. The upstream gets no byte.
func (c *conn) answer(kind plaintext, head []byte) {
	l, s := c.l, c.l.s
	s.counters.answered.Add(1)
	c.count(analysis.FromClient, len(head))
	if c.watch != nil {
		c.watch.saw(s, analysis.FromClient, l.now, head)
	}
	c.closeSide(analysis.FromServer)
	c.tellClose(analysis.FromServer, analysis.CloseFIN)
	c.tellEnd(ByPeers, true)
	c.unwatch(analysis.FromClient)
	fd, counted := c.side[analysis.FromClient].fd, c.counted
	c.side[analysis.FromClient].fd = -1
	text := fmt.Sprintf("this is etcdtap in front of %s, which speaks TLS only, and the request came in clear: use https:// (grpcurl: leave out -plaintext) with the certificates that etcd wants", c.info.Map.Upstream)
	l.release(c)
	c.l = nil
	s.answers.Go(func() {
		defer s.leave(counted)
		explain(fd, kind, head, text)
	})
}

// explain answers the request that begins with head on the socket fd, and closes it.
func explain(fd int, kind plaintext, head []byte, text string) {
	f := os.NewFile(uintptr(fd), "client")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(answerTime))
	in := io.MultiReader(bytes.NewReader(head), conn)
	if kind == plaintextHTTP2 {
		err = explainHTTP2(in, conn, text)
	} else {
		err = explainHTTP1(in, conn, text)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
		half.CloseWrite()
		io.CopyN(io.Discard, conn, maxLinger) // closing while there is something to read would send an RST
	}
}

func explainHTTP1(in io.Reader, out io.Writer, text string) error {
	var head []byte
	b := make([]byte, 4<<10)
	for len(head) < maxRequest && !bytes.Contains(head, []byte("\r\n\r\n")) && !bytes.Contains(head, []byte("\n\n")) {
		n, err := in.Read(b)
		head = append(head, b[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	text += "\n"
	body := text
	if bytes.HasPrefix(head, []byte("HEAD ")) {
		body = ""
	}
	_, err := fmt.Fprintf(out, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), body)
	return err
}

// explainHTTP2 gives each stream the same answer, until the client has had enough.
func explainHTTP2(in io.Reader, out io.Writer, text string) error {
	if _, err := io.CopyN(io.Discard, in, int64(len(http2.ClientPreface))); err != nil {
		return err
	}
	f := http2.NewFramer(out, in)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.MaxHeaderListSize = maxHeaderBytes
	f.SetMaxReadFrameSize(16 << 10) // what we announce by announcing nothing, RFC 9113, Section 6.5.2
	if err := f.WriteSettings(); err != nil {
		return err
	}
	answers, last := 0, uint32(0)
	for range maxFrames {
		frame, err := f.ReadFrame()
		if err != nil {
			break // it has closed, or said nothing for too long
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = f.WritePing(true, frame.Data)
			}
		case *http2.MetaHeadersFrame:
			last = frame.StreamID
			answers++
			err = explainStream(f, frame, text)
		}
		if err != nil {
			return err
		}
		if answers == maxAnswers {
			break
		}
	}
	return f.WriteGoAway(last, http2.ErrCodeNo, nil)
}

// explainStream answers gRPC in gRPC's way (trailers only, UNAVAILABLE), and others with a 400.
func explainStream(f *http2.Framer, request *http2.MetaHeadersFrame, text string) error {
	grpc := false
	for _, h := range request.RegularFields() {
		grpc = grpc || h.Name == "content-type" && strings.HasPrefix(h.Value, "application/grpc")
	}
	fields := []hpack.HeaderField{{Name: ":status", Value: "400"}, {Name: "content-type", Value: "text/plain; charset=utf-8"}}
	if grpc {
		fields = []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"},
			{Name: "grpc-status", Value: "14"}, {Name: "grpc-message", Value: percent(text)}}
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0) // each answer stands alone
	for _, field := range fields {
		if err := encoder.WriteField(field); err != nil {
			return err
		}
	}
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: request.StreamID, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: grpc})
	if err == nil && !grpc {
		err = f.WriteData(request.StreamID, true, []byte(text+"\n"))
	}
	if err == nil && !request.StreamEnded() {
		err = f.WriteRSTStream(request.StreamID, http2.ErrCodeNo) // the rest of the request is not needed: RFC 9113, Section 8.1
	}
	return err
}

// percent is the encoding of grpc-message: printable ASCII but for the percent sign.
func percent(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
