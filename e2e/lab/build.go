package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Program is something Build can build into e2e/bin.
type Program string

// The programs of the lab.
const (
	Etcd35  Program = "etcd-3.5"
	Etcd37  Program = "etcd-3.7"
	Grpcurl Program = "grpcurl"
	Etcdctl Program = "etcdctl"
)

// source is the directory within e2e and the package that make a program.
func (p Program) source() (dir, pkg string) {
	switch p {
	case Etcd35:
		return "etcd/v3_5", "."
	case Etcd37:
		return "etcd/v3_7", "."
	case Grpcurl:
		return "tools", "github.com/fullstorydev/grpcurl/cmd/grpcurl"
	}
	return "tools", "go.etcd.io/etcd/etcdctl/v3"
}

// Build builds programs of the given modules into module/bin. It needs the Go module proxy the first time, so call it
// before Enter: the lab's namespace has loopback only. The Go build cache makes later calls quick.
func Build(ctx context.Context, module string, programs ...Program) error {
	for _, p := range programs {
		dir, pkg := p.source()
		out := filepath.Join(module, "bin", string(p))
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg)
		cmd.Dir = filepath.Join(module, dir)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s in e2e/%s: %w\n%s", p, dir, err, text)
		}
	}
	return nil
}

// BuildPureGo builds the program under test without libpcap, as make image-binary does.
func BuildPureGo(ctx context.Context, root, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "nopcap", "-o", out, "./cmd/etcdtap")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building etcdtap without libpcap: %w\n%s", err, text)
	}
	return nil
}

// BuildEtcdtap builds the program under test from the repository's root to out, for the same reason before Enter.
func BuildEtcdtap(ctx context.Context, root, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/etcdtap")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building etcdtap: %w\n%s", err, text)
	}
	return nil
}
