package lab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Bounds on how long an etcd may take.
const (
	startTimeout = 30 * time.Second       // a loaded machine with slow fsync
	stopTimeout  = 10 * time.Second       // then it is killed
	pollInterval = 50 * time.Millisecond  // between looks at /health
	logSettle    = 300 * time.Millisecond // until what happened is in the log
)

// Keys are the names of a TLS listener's files in the certificate directory, without suffix.
type Keys struct {
	Authority string // "ca"
	Pair      string // "server"
}

// Member is how an etcd is set up. A nil Keys means no TLS on that port.
type Member struct {
	Program  Program
	Name     string // "cp-1"
	Host     string // the loopback address it listens on, "127.0.0.1" or "::1"
	Client   *Keys  // TLS with client certificates on the client port
	Peer     *Keys  // the same on the peer port
	Cluster  string // --initial-cluster; "" for a cluster of one
	Flags    []string
	PKI      string // the certificate directory
	NotReady bool   // do not wait for health: a member without quorum
}

// Etcd is a running member.
type Etcd struct {
	Member
	Ports Ports
	log   string // path
	cmd   *exec.Cmd
	done  chan error
}

// Start starts a member with a fresh data directory and waits until it is healthy, by its metrics port, so that nothing
// of the waiting shows on the client and peer ports.
func (l *Lab) Start(ctx context.Context, m Member) (*Etcd, error) {
	dir, err := os.MkdirTemp(l.Work, m.Name+"-")
	if err != nil {
		return nil, err
	}
	e := &Etcd{Member: m, Ports: l.Ports, log: filepath.Join(dir, "etcd.log"), done: make(chan error, 1)}
	log, err := os.Create(e.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.cmd = exec.Command(filepath.Join(l.Bin, string(m.Program)), e.arguments(filepath.Join(dir, "data"))...)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", m.Program, err)
	}
	go func() { e.done <- e.cmd.Wait() }()
	if m.NotReady {
		return e, nil
	}
	return e, e.WaitHealthy(ctx)
}

// arguments are kubeadm's, as far as they matter here.
func (e *Etcd) arguments(data string) []string {
	url := func(keys *Keys, port uint16) string {
		scheme := "http"
		if keys != nil {
			scheme = "https"
		}
		return fmt.Sprintf("%s://%s:%d", scheme, bracketed(e.Host), port)
	}
	client, peer := url(e.Client, e.Ports.Client), url(e.Peer, e.Ports.Peer)
	cluster := e.Cluster
	if cluster == "" {
		cluster = e.Name + "=" + peer
	}
	args := []string{
		"--name=" + e.Name, "--data-dir=" + data, "--logger=zap",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=" + cluster, "--listen-metrics-urls=" + e.metrics(),
		"--enable-grpc-gateway=false", // it keeps a connection to the client port open, which would show in the captures
	}
	path := func(name, suffix string) string { return filepath.Join(e.PKI, filepath.FromSlash(name)+suffix) }
	if k := e.Client; k != nil {
		args = append(args, "--cert-file="+path(k.Pair, ".crt"), "--key-file="+path(k.Pair, ".key"),
			"--trusted-ca-file="+path(k.Authority, ".crt"), "--client-cert-auth=true")
	}
	if k := e.Peer; k != nil {
		args = append(args, "--peer-cert-file="+path(k.Pair, ".crt"), "--peer-key-file="+path(k.Pair, ".key"),
			"--peer-trusted-ca-file="+path(k.Authority, ".crt"), "--peer-client-cert-auth=true")
	}
	return append(args, e.Flags...)
}

func (e *Etcd) metrics() string {
	return fmt.Sprintf("http://%s:%d", bracketed(e.Host), e.Ports.Metrics)
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// WaitHealthy waits until the member has a leader.
func (e *Etcd) WaitHealthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		select {
		case err := <-e.done:
			e.done <- err
			return fmt.Errorf("%s ended while starting (%v); its log ends with:\n%s", e.Program, err, e.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not healthy after %s; its log ends with:\n%s", e.Program, startTimeout, e.tail())
		case <-time.After(pollInterval):
		}
		response, err := http.Get(e.metrics() + "/health")
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return nil
		}
	}
}

// LogFile is the path of its log.
func (e *Etcd) LogFile() string { return e.log }

// Mark is a place in the log: what is written later comes after it.
func (e *Etcd) Mark() (int64, error) {
	info, err := os.Stat(e.log)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Since is what the log says after the mark.
func (e *Etcd) Since(mark int64) ([]byte, error) {
	time.Sleep(logSettle)
	f, err := os.Open(e.log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.NewSectionReader(f, mark, 1<<30))
}

func (e *Etcd) tail() []byte {
	const enough = 2000
	text, _ := os.ReadFile(e.log)
	return text[max(0, len(text)-enough):]
}

// Stop ends the member and waits for it.
func (e *Etcd) Stop() {
	e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.done:
	case <-time.After(stopTimeout):
		e.cmd.Process.Kill()
		<-e.done
	}
}
