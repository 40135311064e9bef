package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Bounds of the server. Whoever may reach the port is trusted to read the numbers, not to keep the process busy.
const (
	maxConnections = 32               // at once; beyond, they wait to be accepted: two Prometheus servers and a kubelet need five
	maxScrapes     = 4                // at once; beyond, 503
	maxHeaderBytes = 16 << 10         // of a request
	headerTimeout  = 5 * time.Second  // for a request's header
	readTimeout    = 10 * time.Second // for a whole request: none has a body
	writeTimeout   = 30 * time.Second // for an answer; Prometheus gives up after 10 s by default
	pprofTimeout   = 5 * time.Minute  // for an answer where pprof is on: a profile runs as long as it is asked to
	idleTimeout    = 2 * time.Minute  // between requests: more than the usual interval of a minute
	drainTimeout   = 2 * time.Second  // for running answers when it ends
)

// Options say what is served beside the metrics. The zero value is always ready and has no pprof.
type Options struct {
	Ready func() error // why it is not ready, for /healthz; it is called from any goroutine and must not block. nil: always ready
	Pprof bool         // serve /debug/pprof/, which shows the program's memory: keys it has in it, too
}

// Server is a running HTTP server.
type Server struct {
	addr netip.AddrPort
	done chan struct{}
	err  error // valid iff done is closed
}

// Addr is where it listens; the port is a real one where ":0" asked for any.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Wait returns when the server has ended, because the context of Serve was done (nil) or because it failed.
func (s *Server) Wait() error {
	<-s.done
	return s.err
}

// Serve listens at addr ("127.0.0.1:9379"; without a host, as ":9379", at all of this machine's addresses) and serves /metrics and
// /healthz until ctx is done. It returns as soon as it listens, so privileges that a port below 1024 needs may be dropped after it.
// Requests are not logged.
func (m *Metrics) Serve(ctx context.Context, addr string, o Options) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, listenError(addr, err)
	}
	s := &Server{done: make(chan struct{})}
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
		s.addr = netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
	}
	server := &http.Server{
		Handler:           m.Handler(o),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       log.New(io.Discard, "", 0), // it would tell of whatever clients do wrong
	}
	if o.Pprof {
		server.WriteTimeout = pprofTimeout
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(listener, maxConnections)) }()
	go s.supervise(ctx, server, served)
	return s, nil
}

// supervise ends the server when ctx is done, and waits for it.
func (s *Server) supervise(ctx context.Context, server *http.Server, served <-chan error) {
	defer close(s.done)
	select {
	case err := <-served:
		s.err = fmt.Errorf("serving metrics at %s: %w", s.addr, err)
		return
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if server.Shutdown(drain) != nil {
		server.Close() // those who are still reading have had their time
	}
	<-served
}

// Handler serves what Serve serves, for a server that is already there.
func (m *Metrics) Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: maxScrapes}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { health(w, o.Ready) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "etcdtap: see /metrics and /healthz\n")
	})
	if o.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// health answers 200 and "ok", or 503 and the reason.
func health(w http.ResponseWriter, ready func() error) {
	if ready != nil {
		if err := ready(); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
	}
	plain(w, http.StatusOK, "ok\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// listenError says what to do.
func listenError(addr string, err error) error {
	host, port, split := net.SplitHostPort(addr)
	var unknown *net.DNSError
	switch {
	case split != nil:
		return fmt.Errorf("serving metrics: expected HOST:PORT or :PORT, got %q: for example --metrics 127.0.0.1:9379", addr)
	case errors.As(err, &unknown):
		return fmt.Errorf("serving metrics: the name %q cannot be looked up (%s): give an address, see those of this machine with: ip -brief address", host, unknown.Err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("serving metrics: %s is taken: choose another port with --metrics, or see who has it: ss -ltnp 'sport = :%s'", addr, port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("serving metrics: %s is no address of this machine: see them with: ip -brief address", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("serving metrics: no permission for the port of %s: choose one above 1023, for example --metrics :9379", addr)
	}
	return fmt.Errorf("serving metrics at %s: %w", addr, err)
}
