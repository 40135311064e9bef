package privilege

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// look finds out what the advice depends on. What it cannot find out it takes for the usual.
func look() situation {
	s := situation{capable: true, bounding: true}
	if st, err := statusOf("/proc/thread-self/status"); err == nil {
		s.capable, s.bounding, s.noNewPrivs = st.effective.has(NetRaw), st.bounding.has(NetRaw), st.noNewPrivs
	}
	name, err := os.Executable()
	if err != nil {
		return s
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	s.executable = name
	var fs unix.Statfs_t
	if unix.Statfs(name, &fs) == nil {
		s.noSUID = fs.Flags&unix.ST_NOSUID != 0
	}
	return s
}
