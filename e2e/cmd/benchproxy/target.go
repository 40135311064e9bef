package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// target is a way to the backend.
type target struct {
	name   string
	config func(listen, upstream string) (file string, args []string) // file is what the last of args names, "" when there is none
	addr   string
	cmd    *exec.Cmd // nil: the direct connection
	stderr bytes.Buffer
}

const (
	haproxyConfig = `global
  nbthread %d
  maxconn 8000
%sdefaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend in
  bind %s
  tcp-request inspect-delay 5s
  tcp-request content accept if { req_ssl_hello_type 1 }
  default_backend out
backend out
  server etcd %s
`
	nginxConfig = `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_processes %d;
worker_rlimit_nofile 16384;
daemon off;
pid %s;
error_log stderr error;
events { worker_connections 8000; }
stream {
  access_log off;
  server {
    listen %s;
    ssl_preread on;
    proxy_timeout 1h;
    proxy_pass %s;
  }
}
`
)

// contenders are those that are on this machine. Those that are not are named.
func (b *bench) contenders() (list []*target, err error) {
	list = []*target{{name: "direct"}}
	cores := runtime.NumCPU()
	if haproxy, err := exec.LookPath("haproxy"); err == nil {
		for _, v := range []struct{ name, tune string }{{"HAProxy", ""}, {"HAProxy, bufsize 131072", "  tune.bufsize 131072\n"}} {
			list = append(list, &target{name: v.name, config: func(listen, upstream string) (string, []string) {
				return fmt.Sprintf(haproxyConfig, cores, v.tune, listen, upstream), []string{haproxy, "-db", "-f"}
			}})
		}
	} else {
		missing("haproxy", "haproxy")
	}
	if nginx, err := findNginx(); err == nil {
		list = append(list, &target{name: "nginx", config: func(listen, upstream string) (string, []string) {
			return fmt.Sprintf(nginxConfig, cores, filepath.Join(b.dir, "nginx.pid"), listen, upstream), []string{nginx, "-p", b.dir, "-c"}
		}})
	} else {
		missing("nginx with its stream module", "nginx libnginx-mod-stream")
	}
	etcdtap, err := filepath.Abs(b.etcdtap)
	if err != nil {
		return nil, err
	}
	for _, v := range []struct {
		name string
		args []string
	}{{"etcdtap", []string{"--processes=false"}}, {"etcdtap, naming processes", nil}} {
		list = append(list, &target{name: v.name, config: func(listen, upstream string) (string, []string) {
			return "", slices.Concat([]string{etcdtap, "proxy", "--listen", listen, "--upstream", upstream, "--drain-timeout=0"}, v.args, b.extra)
		}})
	}
	return list, nil
}

func missing(what, packages string) {
	fmt.Fprintf(os.Stderr, "LEFT OUT: this machine has no %s (Debian: apt-get install %s)\n", what, packages)
}

func findNginx() (string, error) {
	if _, err := os.Stat("/usr/lib/nginx/modules/ngx_stream_module.so"); err != nil {
		return "", err
	}
	if path, err := exec.LookPath("nginx"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/nginx")
}

// start starts the proxy and waits until it forwards.
func (t *target) start(ctx context.Context, b *bench) error {
	upstream := b.backend.listener.Addr().String()
	t.addr = upstream
	if t.config == nil {
		return nil
	}
	var err error
	if t.addr, err = freeAddress(); err != nil {
		return err
	}
	text, args := t.config(t.addr, upstream)
	if text != "" {
		file := filepath.Join(b.dir, strings.Fields(t.name)[0]+".conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		args = append(args, file)
	}
	t.stderr.Reset()
	t.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	t.cmd.Stderr = &t.stderr
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := t.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := b.backend.dial(t.addr, wantIdle); err == nil {
			c.Close()
			return nil
		}
	}
	t.stop()
	return fmt.Errorf("%s does not forward: %s", t.name, t.stderr.String())
}

func (t *target) stop() {
	if t.cmd == nil {
		return
	}
	t.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(15*time.Second, func() { t.cmd.Process.Kill() })
	t.cmd.Wait()
	timer.Stop()
	t.cmd = nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// processes are the proxy's own and its children's.
func (t *target) processes() (pids []int) {
	if t.cmd == nil {
		return nil
	}
	pids = []int{t.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pids[i]))
		for _, f := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// cpu is the processor time that the proxy has used.
func (t *target) cpu() (sum time.Duration) {
	for _, pid := range t.processes() {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			if f := strings.Fields(string(text)); len(f) > 0 {
				ns, _ := strconv.ParseInt(f[0], 10, 64)
				sum += time.Duration(ns)
			}
		}
	}
	return sum
}

// memory is what the proxy has resident, pages that it shares with others in part, in bytes.
func (t *target) memory() (sum int64) {
	for _, pid := range t.processes() {
		n, err := proportional(pid)
		if err == nil {
			sum += n
		}
	}
	return sum
}

func proportional(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "Pss:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no Pss in smaps_rollup")
}
