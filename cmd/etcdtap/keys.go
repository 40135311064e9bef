package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/etcdtap/etcdtap/analysis/keylog"
	"github.com/etcdtap/etcdtap/capture"
)

// keyBlock is how many bytes of a key log are read at once.
const keyBlock = 64 << 10

// keys are the secrets of key logs and of the captures' own decryption-secrets blocks. Both may grow while packets are read: what
// is new is read when a connection asks.
type keys struct {
	logs   []*keyFile
	files  []*capture.File
	taken  []int // by file: secrets blocks read
	embed  keylog.Log
	others int64 // secrets blocks that are no TLS key log
	asked  bool  // a connection wanted its secrets
	found  bool  // and was known
	err    error // the first of reading a key log that had been opened
	block  []byte
}

// keyFile is one key log.
type keyFile struct {
	name string
	file *os.File
	log  keylog.Log
}

// openKeys opens the named key logs and reads what is there.
func openKeys(names []string, files []*capture.File) (*keys, error) {
	k := &keys{files: files, taken: make([]int, len(files)), block: make([]byte, keyBlock)}
	for _, name := range names {
		f, err := openKeyLog(name)
		if err != nil {
			k.close()
			return nil, err
		}
		k.logs = append(k.logs, &keyFile{name: name, file: f})
	}
	if k.grow(); k.err != nil {
		k.close()
		return nil, k.err
	}
	for _, l := range k.logs {
		l.log.Settle()
		if s := l.log.Stats(); s.Lines > 0 && s.Lines == s.Malformed {
			k.close()
			return nil, fmt.Errorf("%s: expected a key log, lines such as \"CLIENT_RANDOM <64 hex digits> <96 hex digits>\", found none: "+
				"give the file that SSLKEYLOGFILE named when the client or server ran", l.name)
		}
	}
	return k, nil
}

func openKeyLog(name string) (*os.File, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("key log %s is a pipe or a device, expected a file: copy it to one first", name)
	}
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("key log %s does not exist: check the name; clients write it when SSLKEYLOGFILE=%s is set in their environment", name, name)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("key log %s may not be read by this user: give yourself read access, or run with sudo", name)
	case err != nil:
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("key log %s is a directory, expected a file: name the file in it", name)
	}
	return f, nil
}

// Len is how many connections' secrets there may be: 0 where there is no key log and no secrets block, as nearly always.
func (k *keys) Len() int {
	if len(k.logs) == 0 && k.embed.Len() == 0 {
		k.grow()
	}
	return len(k.logs) + k.embed.Len()
}

// Lookup finds a connection's secrets. What the key logs have got since the last time is read when it is not known.
func (k *keys) Lookup(clientRandom [32]byte) (keylog.Secrets, bool) {
	k.asked = true
	s, ok := k.known(clientRandom)
	if !ok || !s.Complete() {
		k.grow()
		s, ok = k.known(clientRandom)
	}
	k.found = k.found || ok
	return s, ok
}

func (k *keys) known(clientRandom [32]byte) (keylog.Secrets, bool) {
	for _, l := range k.logs {
		if s, ok := l.log.Lookup(clientRandom); ok {
			return s, true
		}
	}
	return k.embed.Lookup(clientRandom)
}

// grow reads what is new.
func (k *keys) grow() {
	for i, f := range k.files {
		blocks := f.Secrets()
		for _, b := range blocks[k.taken[i]:] {
			if b.Type != capture.SecretsTLSKeyLog {
				k.others++
				continue
			}
			k.embed.Write(b.Data)
			k.embed.End()
		}
		k.taken[i] = len(blocks)
	}
	for _, l := range k.logs {
		if err := l.grow(k.block); err != nil && k.err == nil {
			k.err = fmt.Errorf("reading the key log %s: %w", l.name, err)
		}
	}
}

// grow reads a key log to its present end.
func (l *keyFile) grow(block []byte) error {
	defer clear(block)
	for {
		n, err := l.file.Read(block)
		l.log.Write(block[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (k *keys) close() {
	for _, l := range k.logs {
		l.file.Close()
	}
}

// stats adds up what the key logs and secrets blocks held.
func (k *keys) stats() keylog.Stats {
	sum := k.embed.Stats()
	for _, l := range k.logs {
		s := l.log.Stats()
		sum.Malformed += s.Malformed
		sum.TooLong += s.TooLong
		sum.Forgotten += s.Forgotten
		sum.Secrets += s.Secrets
	}
	return sum
}
