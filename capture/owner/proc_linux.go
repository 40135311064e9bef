package owner

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/etcdtap/etcdtap/analysis"
)

// procFS looks for the processes that hold sockets, below a directory that is /proc. It is not safe for concurrent use, but one search may
// be made in the midst of another.
type procFS struct {
	root    int               // the open directory
	recent  []int             // processes that were found, the latest last
	known   map[uint32]holder // sockets of processes that were found
	dents   []byte
	link    [128]byte // longer ones than "socket:[4294967295]" do not matter
	sockets []held    // scratch
	names   []string  // scratch
}

// holder is who holds a socket, and by which descriptor.
type holder struct{ pid, fd int }

type held struct {
	inode uint32
	fd    int
}

// search is one search for the holders of some sockets. The order is what makes it fast: who was just started is who opened the connection
// when it is a curl, an etcdctl or a health check; the API server and its like have been found before. Only then all others are looked
// through.
type search struct {
	*procFS
	wanted   map[uint32]holder // by inode; PID 0 until found
	missing  int               // of these
	visited  map[int]bool      // processes looked through
	everyone []int             // all processes, the latest first; nil until they were listed
	budget   int               // links that may still be read
	denied   int               // processes whose descriptors may not be read
}

// Bounds of the work.
const (
	// nearest is how many of the latest ids are tried before processes are listed. Ids of threads are in the same row.
	nearest = 16
	// fewLinks is how many descriptors are looked at there: short-lived programs have a dozen, and the thread of a server that has
	// thousands is not what is looked for.
	fewLinks = 64
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
	// maxCmdline and maxCgroup are how many bytes are read of these files: more arguments than that nobody is shown, and a path of
	// version 1 has some 200 bytes in each of a dozen lines.
	maxCmdline, maxCgroup = 4 << 10, 16 << 10
	// maxAncestors is how far up it is looked for who opened a socket that was inherited.
	maxAncestors = 4
)

func openProc(path string) (*procFS, error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &procFS{root: fd, known: map[uint32]holder{}, dents: make([]byte, 32<<10)}, nil
}

// search begins to look for the holders of sockets; found gives them.
func (p *procFS) search(inodes []uint32) *search {
	s := &search{procFS: p, wanted: make(map[uint32]holder, len(inodes)), visited: map[int]bool{}, budget: maxLinks}
	for _, i := range inodes {
		s.wanted[i] = holder{}
	}
	s.missing = len(s.wanted)
	for i := range s.wanted {
		if h, ok := p.known[i]; ok {
			if p.holds(h, i) {
				s.take(i, h)
			} else {
				delete(p.known, i)
			}
		}
	}
	return s
}

// likely looks where the holders probably are.
func (s *search) likely() {
	last := s.lastPID()
	for pid := last; pid > max(0, last-nearest) && s.missing > 0; pid-- {
		s.process(pid, fewLinks)
	}
	if s.missing == 0 {
		return
	}
	s.enumerate()
	for _, pid := range s.everyone[:min(len(s.everyone), newest)] {
		s.process(pid, maxLinks)
	}
	for i := len(s.recent) - 1; i >= 0; i-- {
		s.process(s.recent[i], maxLinks)
	}
}

// step looks through some more of all processes and reports whether there are others left. What may be looked at is bounded.
func (s *search) step(n int) bool {
	if s.everyone == nil {
		s.enumerate()
	}
	for ; n > 0 && len(s.everyone) > 0; n-- {
		s.process(s.everyone[0], maxLinks)
		s.everyone = s.everyone[1:]
	}
	return s.missing > 0 && s.budget > 0 && len(s.everyone) > 0
}

// enumerate lists all processes, the latest first. Ids are given in a circle: what is greater than the last one is from the round before.
func (s *search) enumerate() {
	last := s.lastPID()
	s.everyone = make([]int, 0, 512)
	s.list(s.root, func(name []byte) bool {
		if pid, ok := number(name); ok {
			s.everyone = append(s.everyone, pid)
		}
		return len(s.everyone) < maxProcesses
	})
	age := func(pid int) int {
		if pid > last {
			return math.MaxInt32 - pid
		}
		return last - pid
	}
	slices.SortFunc(s.everyone, func(a, b int) int { return age(a) - age(b) })
}

// found gives the holder of a socket.
func (s *search) found(inode uint32) (holder, bool) {
	h := s.wanted[inode]
	return h, h.pid != 0
}

// process looks at a process' descriptors, at most links of them: all when one is wanted, for its other sockets will be asked for next.
// Nothing is done when nothing is missing, or nothing may be done any more.
func (s *search) process(pid, links int) {
	if s.missing == 0 || s.budget <= 0 || s.visited[pid] {
		return
	}
	s.visited[pid] = true
	dir, err := unix.Openat(s.root, strconv.Itoa(pid)+"/fd", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		s.deny(err)
		return
	}
	defer unix.Close(dir)
	s.sockets = s.sockets[:0]
	hit := false
	s.list(dir, func(name []byte) bool {
		fd, ok := number(name)
		if !ok {
			return true
		}
		if links--; links < 0 && !hit {
			delete(s.visited, pid) // there is more of it
			return false
		}
		s.budget--
		n, err := unix.Readlinkat(dir, string(name), s.link[:])
		if err != nil {
			return !s.deny(err) // one says it for all
		}
		if inode, ok := socketInode(s.link[:n]); ok {
			s.sockets = append(s.sockets, held{inode, fd})
			w, isWanted := s.wanted[inode]
			hit = hit || isWanted && w.pid == 0
		}
		return s.budget > 0
	})
	if hit {
		s.remember(pid)
	}
}

// deny counts a process that may not be looked into, when that is what err says.
func (s *search) deny(err error) bool {
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		return false
	}
	s.denied++
	return true
}

// remember takes what is wanted of s.sockets, which are those of a process or of one of its threads, and keeps the others for later.
func (s *search) remember(pid int) {
	if len(s.known)+len(s.sockets) > maxKnown {
		clear(s.known)
	}
	pid = s.leader(pid)
	opener := pid
	for _, k := range s.sockets {
		if w, ok := s.wanted[k.inode]; ok && w.pid == 0 {
			h := s.opener(holder{pid, k.fd}, k.inode)
			s.take(k.inode, h)
			opener = h.pid
		}
		if len(s.known) < maxKnown {
			s.known[k.inode] = holder{pid, k.fd}
		}
	}
	s.recent = slices.DeleteFunc(s.recent, func(r int) bool { return r == opener })
	if s.recent = append(s.recent, opener); len(s.recent) > maxRecent {
		s.recent = slices.Delete(s.recent, 0, 1)
	}
}

func (s *search) take(inode uint32, h holder) {
	if s.wanted[inode].pid == 0 {
		s.wanted[inode] = h
		s.missing--
	}
}

// lastPID is the id that was given last in our PID namespace, by the end of /proc/loadavg.
func (p *procFS) lastPID() int {
	text := bytes.TrimSpace(p.read(p.root, "loadavg", 128))
	pid, _ := number(text[bytes.LastIndexByte(text, ' ')+1:])
	return pid
}

// leader is the process that a thread belongs to: /proc shows threads to those who know their ids.
func (p *procFS) leader(pid int) int {
	status := p.read(p.root, strconv.Itoa(pid)+"/status", 1024)
	_, rest, _ := bytes.Cut(status, []byte("\nTgid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if n, ok := number(bytes.TrimSpace(line)); ok && n > 0 {
		return n
	}
	return pid
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
	// First all that the kernel shows, for it ends with the process; then what it means.
	cmdline := p.read(dir, "cmdline", maxCmdline)
	comm := p.read(dir, "comm", maxCommand+1)
	var path [maxExecutable]byte
	n, err := unix.Readlinkat(dir, "exe", path[:])
	cgroup := p.read(dir, "cgroup", maxCgroup)
	if err == nil {
		d.Executable = string(path[:n])
	}
	d.Known, d.PID, d.Args = true, pid, parseArgs(cmdline)
	d.Command = cut(strings.TrimSuffix(string(comm), "\n"), maxCommand)
	at := parseCgroup(string(cgroup))
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
