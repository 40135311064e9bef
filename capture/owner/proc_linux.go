package owner

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/etcdtap/etcdtap/analysis"
)

// procFS looks for the processes that hold sockets, below a directory that is /proc. It is not safe for concurrent use.
//
// The order is what makes it fast: who was just started is who opened the connection when it is a curl, an etcdctl or a health check; the
// API server and its like have been found before. Only then all others are looked through.
type procFS struct {
	root     int // the open directory
	recent   []int
	known    map[uint32]holder // sockets of processes that were found
	wanted   map[uint32]holder // sockets looked for, by inode; PID 0 until found
	missing  int               // of these
	visited  map[int]bool      // processes looked through in this search
	budget   int               // links that may still be read
	denied   int               // processes whose descriptors may not be read
	dents    []byte
	link     [128]byte // longer ones than "socket:[4294967295]" do not matter
	sockets  []held    // scratch
	names    []string  // scratch
	everyone []int     // scratch
}

// holder is who holds a socket, and by which descriptor.
type holder struct{ pid, fd int }

type held struct {
	inode uint32
	fd    int
}

// Bounds of the work.
const (
	// newest is how many of the latest processes are tried first: more than a machine starts in the milliseconds between a SYN and
	// its look-up. Short-lived ones have few files, so that each costs some 20 µs.
	newest = 48
	// maxRecent is how many processes that were found are tried next: those of a control-plane node that talk to etcd are about ten.
	maxRecent = 16
	// maxLinks is how many descriptors are looked at in one search, about a quarter of a second's work. Only machines with a hundred
	// thousand open files have more.
	maxLinks = 1 << 18
	// maxProcesses is how many processes are looked through in one search.
	maxProcesses = 1 << 15
	// maxKnown is how many sockets of processes that were found are remembered: a burst of connections of one process is
	// answered by one search.
	maxKnown = 8192
	// maxAncestors is how far up it is looked for who opened a socket that was inherited.
	maxAncestors = 4
)

func openProc(path string) (*procFS, error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &procFS{root: fd, known: map[uint32]holder{}, visited: map[int]bool{}, dents: make([]byte, 32<<10)}, nil
}

// search begins to look for the holders of sockets; found gives them.
func (p *procFS) search(inodes []uint32) {
	p.wanted = make(map[uint32]holder, len(inodes))
	for _, i := range inodes {
		p.wanted[i] = holder{}
	}
	p.missing, p.budget, p.denied = len(p.wanted), maxLinks, 0
	clear(p.visited)
	for i := range p.wanted {
		if h, ok := p.known[i]; ok {
			if p.holds(h, i) {
				p.take(i, h)
			} else {
				delete(p.known, i)
			}
		}
	}
}

// likely looks where the holders probably are.
func (p *procFS) likely() {
	if p.missing == 0 {
		return
	}
	p.enumerate()
	p.through(p.everyone[:min(len(p.everyone), newest)])
	for i := len(p.recent) - 1; i >= 0 && p.missing > 0; i-- {
		p.process(p.recent[i])
	}
}

// all looks through all processes, the latest first. It may stop at its bounds.
func (p *procFS) all() {
	p.enumerate()
	p.through(p.everyone)
}

// through looks at processes until nothing is missing.
func (p *procFS) through(pids []int) {
	for _, pid := range pids {
		if p.missing == 0 || p.budget <= 0 {
			return
		}
		p.process(pid)
	}
}

// enumerate lists all processes, the latest first. Ids are given in a circle: what is greater than the last one is from the round before.
// Trying ids without listing them would find threads, too.
func (p *procFS) enumerate() {
	last := p.lastPID()
	p.everyone = p.everyone[:0]
	p.list(p.root, func(name []byte) bool {
		if pid, ok := number(name); ok {
			p.everyone = append(p.everyone, pid)
		}
		return len(p.everyone) < maxProcesses
	})
	age := func(pid int) int {
		if pid > last {
			return 1<<31 - pid
		}
		return last - pid
	}
	slices.SortFunc(p.everyone, func(a, b int) int { return age(a) - age(b) })
}

// exhausted says that a search stopped at its bounds.
func (p *procFS) exhausted() bool { return p.budget <= 0 || len(p.everyone) >= maxProcesses }

// found gives the holder of a socket.
func (p *procFS) found(inode uint32) (holder, bool) {
	h := p.wanted[inode]
	return h, h.pid != 0
}

// lastPID is the id that was given last in our PID namespace, by the end of /proc/loadavg.
func (p *procFS) lastPID() int {
	text := strings.TrimSpace(string(p.read(p.root, "loadavg", 128)))
	pid, _ := number([]byte(text[strings.LastIndexByte(text, ' ')+1:]))
	return pid
}

// process looks at a process' descriptors, all of them when one is wanted: its other sockets will be asked for next.
func (p *procFS) process(pid int) {
	if p.visited[pid] {
		return
	}
	p.visited[pid] = true
	dir, err := unix.Openat(p.root, strconv.Itoa(pid)+"/fd", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
			p.denied++
		}
		return
	}
	defer unix.Close(dir)
	p.sockets = p.sockets[:0]
	hit, refused := false, false
	p.list(dir, func(name []byte) bool {
		fd, ok := number(name)
		if !ok {
			return true
		}
		p.budget--
		n, err := unix.Readlinkat(dir, string(name), p.link[:])
		if err != nil {
			refused = refused || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
			return !refused // one says it for all
		}
		if inode, ok := socketInode(p.link[:n]); ok {
			p.sockets = append(p.sockets, held{inode, fd})
			w, isWanted := p.wanted[inode]
			hit = hit || isWanted && w.pid == 0
		}
		return p.budget > 0
	})
	if refused {
		p.denied++
	}
	if hit {
		p.remember(pid)
	}
}

// remember takes what is wanted of p.sockets, which are pid's, and keeps the others for later.
func (p *procFS) remember(pid int) {
	if len(p.known)+len(p.sockets) > maxKnown {
		clear(p.known)
	}
	opener := pid
	for _, s := range p.sockets {
		if w, ok := p.wanted[s.inode]; ok && w.pid == 0 {
			h := p.opener(holder{pid, s.fd}, s.inode)
			p.take(s.inode, h)
			opener = h.pid
		}
		if len(p.known) < maxKnown {
			p.known[s.inode] = holder{pid, s.fd}
		}
	}
	p.recent = slices.DeleteFunc(p.recent, func(r int) bool { return r == opener })
	if p.recent = append(p.recent, opener); len(p.recent) > maxRecent {
		p.recent = slices.Delete(p.recent, 0, 1)
	}
}

func (p *procFS) take(inode uint32, h holder) {
	if p.wanted[inode].pid == 0 {
		p.wanted[inode] = h
		p.missing--
	}
}

// holds reports whether a descriptor is a socket.
func (p *procFS) holds(h holder, inode uint32) bool {
	n, err := unix.Readlinkat(p.root, strconv.Itoa(h.pid)+"/fd/"+strconv.Itoa(h.fd), p.link[:])
	have, ok := socketInode(p.link[:max(n, 0)])
	return err == nil && ok && have == inode
}

// opener follows a socket that was inherited to the process that opened it, as far as it lives: a shell that opens one hands it to all that
// it starts.
func (p *procFS) opener(h holder, inode uint32) holder {
	for range maxAncestors {
		parent, ok := parentOf(p.read(p.root, strconv.Itoa(h.pid)+"/stat", 1024))
		if !ok || parent <= 1 || !p.holds(holder{parent, h.fd}, inode) {
			return h
		}
		h.pid = parent
	}
	return h
}

// parentOf reads /proc/PID/stat (proc_pid_stat(5)). The name in it may hold anything, and ends with the last parenthesis.
func parentOf(stat []byte) (int, bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	return number(fields[1])
}

// describe says who a process is. The directory stays open meanwhile, so that all is of one process: what has ended says nothing more.
func (p *procFS) describe(pid int) (d analysis.Process, ok bool) {
	dir, err := unix.Openat(p.root, strconv.Itoa(pid), unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return d, false
	}
	defer unix.Close(dir)
	d = analysis.Process{Known: true, PID: pid}
	d.Args = parseArgs(p.read(dir, "cmdline", 4096))
	d.Command = cut(strings.TrimSuffix(string(p.read(dir, "comm", maxCommand+1)), "\n"), maxCommand)
	var path [maxExecutable]byte
	if n, err := unix.Readlinkat(dir, "exe", path[:]); err == nil {
		d.Executable = string(path[:n])
	}
	at := parseCgroup(string(p.read(dir, "cgroup", 16<<10)))
	d.Container, d.Pod, d.Unit = cut(at.container, maxID), cut(at.pod, maxID), cut(at.unit, maxUnit)
	return d, d.Command != "" || len(d.Args) > 0
}

// read gives at most n bytes of a file, none when it cannot be read.
func (p *procFS) read(dir int, name string, n int) []byte {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	b := make([]byte, n)
	have := 0
	for have < n {
		more, err := unix.Read(fd, b[have:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || more <= 0 {
			break
		}
		have += more
	}
	return b[:have]
}

// list calls each for the names in a directory until it returns false. name is valid during the call.
func (p *procFS) list(dir int, each func(name []byte) bool) {
	if dir == p.root {
		if _, err := unix.Seek(dir, 0, 0); err != nil {
			return
		}
	}
	for {
		n, err := unix.Getdents(dir, p.dents)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		for b := p.dents[:n]; len(b) > 0; {
			used, _, names := unix.ParseDirent(b, 1, p.names[:0])
			if used <= 0 {
				break
			}
			p.names = names
			for _, name := range names {
				if !each([]byte(name)) {
					return
				}
			}
			b = b[used:]
		}
	}
}

// socketInode reads the target of a link of /proc/PID/fd: "socket:[12345]".
func socketInode(link []byte) (uint32, bool) {
	rest, ok := bytes.CutPrefix(link, []byte("socket:["))
	if !ok {
		return 0, false
	}
	digits, ok := bytes.CutSuffix(rest, []byte("]"))
	if !ok || len(digits) == 0 || len(digits) > 10 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits), 10, 32)
	return uint32(n), err == nil
}

// number reads a decimal number as the kernel writes it.
func number(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
