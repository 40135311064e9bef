// Package lab runs real etcds and clients on loopback and captures what they say to each other.
//
// A lab lives in a network namespace of its own where the machine allows it (root, or unprivileged user namespaces), so
// that etcd can have its usual ports and nothing else is captured. Where it does not, the lab uses free ports instead.
// Linux only.
//
//	func main() {
//		if code, inside := lab.Enter(); !inside {
//			os.Exit(code)
//		}
//		// the rest runs inside
//	}
package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Lab is a place for etcds and their captures.
type Lab struct {
	Module string // e2e, the directory of this Go module
	Bin    string // e2e/bin, where Build put the programs
	Work   string // a directory for certificates, data and captures in progress
	Ports  Ports
}

// New prepares a lab. Call it inside the namespace, that is after Enter.
func New(module, work string) (*Lab, error) {
	ports, err := choosePorts()
	if err != nil {
		return nil, err
	}
	return &Lab{Module: module, Bin: filepath.Join(module, "bin"), Work: work, Ports: ports}, nil
}

// Root is the repository's root, found upward from the working directory by its Go modules.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "e2e", "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no e2e/go.mod upward from the working directory: run this inside the repository")
		}
		dir = parent
	}
}

// Missing says which of the programs this machine lacks and how to get them; nil if it has them all.
func Missing(programs ...string) error {
	var lacking []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacking = append(lacking, p)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return fmt.Errorf("this machine has no %s: run e2e/setup.sh, or apt-get install -y %s",
		strings.Join(lacking, ", "), strings.Join(lacking, " "))
}
