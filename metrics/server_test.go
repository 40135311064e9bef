package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := filled(t, "demo.pcap")
	notReady := make(chan error, 1)
	s, err := m.Serve(ctx, "127.0.0.1:0", Options{Ready: func() error {
		select {
		case err := <-notReady:
			return err
		default:
			return nil
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + s.Addr().String()
	if status, body := get(t, base+"/metrics"); status != 200 || !strings.Contains(body, "etcdtap_build_info{") || !strings.Contains(body, "go_goroutines ") {
		t.Errorf("/metrics: %d\n%s", status, body)
	}
	if status, body := get(t, base+"/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	notReady <- errors.New("interface eth0 is down")
	if status, body := get(t, base+"/healthz"); status != 503 || body != "interface eth0 is down\n" {
		t.Errorf("/healthz: %d %q, expected 503 and the reason", status, body)
	}
	if status, _ := get(t, base+"/debug/pprof/"); status != 404 {
		t.Errorf("/debug/pprof/ answers %d although nobody asked for it", status)
	}
	if resp, err := http.Post(base+"/metrics", "text/plain", strings.NewReader("x")); err != nil || resp.StatusCode != 405 {
		t.Errorf("POST: %v %v, expected 405", resp, err)
	} else {
		resp.Body.Close()
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if c, err := net.DialTimeout("tcp", s.Addr().String(), time.Minute); err == nil {
		c.Close()
		t.Error("still listens after its end")
	}
}

func TestServePprof(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := New(Build{}).Serve(ctx, "127.0.0.1:0", Options{Pprof: true})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, "http://"+s.Addr().String()+"/debug/pprof/goroutine?debug=1"); status != 200 || !strings.Contains(body, "goroutine profile") {
		t.Errorf("goroutine profile: %d %s", status, body)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

// Whoever connects and says nothing does not keep the others out, nor the server from ending.
func TestServeSilentClients(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := New(Build{}).Serve(ctx, "127.0.0.1:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range maxConnections / 2 {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if status, _ := get(t, "http://"+s.Addr().String()+"/healthz"); status != 200 {
		t.Errorf("/healthz: %d", status)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

// What deploy/kubernetes does, where the address may be of either family.
func TestServeBrackets(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := New(Build{}).Serve(ctx, "[127.0.0.1]:0", Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

func TestServeErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for _, c := range []struct{ name, addr, want string }{
		{"taken", addr, addr + " is taken: choose another port with --metrics, or see who has it: ss -ltnp 'sport = :" + port + "'"},
		{"no port", "9379", `expected HOST:PORT or :PORT, got "9379": for example --metrics 127.0.0.1:9379`},
		{"no host", "no-such-host.invalid:9379", `the name "no-such-host.invalid" cannot be looked up`},
		{"not ours", "192.0.2.1:0", "192.0.2.1:0 is no address of this machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(Build{}).Serve(t.Context(), c.addr, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}
