package savefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// mode is that of new files: they hold other people's traffic.
const mode = 0o600

// create opens a file to be written from its beginning, and gives it to its owner. An existing file is written over and keeps its mode,
// but not in a directory where others may put files (/tmp) and have put one there, or a symlink. regular reports whether it is a file
// that can be cut back: not a device, not a named pipe.
func create(name string, uid, gid *int) (file *os.File, regular bool, err error) {
	shared, err := isShared(filepath.Dir(name))
	if err != nil {
		return nil, false, &Error{Name: name, Doing: "opening", Err: err}
	}
	flags := os.O_WRONLY | os.O_CREATE
	if link, err := os.Lstat(name); err == nil && link.Mode()&fs.ModeSymlink != 0 && shared {
		return nil, false, &Error{Name: name, Doing: "opening", Err: errors.New("it is a symbolic link in a directory that everybody may write to"),
			advice: "remove it, or choose another name"}
	} else if err != nil || link.Mode()&fs.ModeSymlink == 0 {
		flags |= noFollow // what was no link a moment ago must not be one now
	}
	file, err = os.OpenFile(name, flags, mode)
	if err != nil {
		return nil, false, &Error{Name: name, Doing: "opening", Err: err}
	}
	if regular, err = take(file, shared, uid, gid); err != nil {
		file.Close()
		var e *Error
		if errors.As(err, &e) {
			e.Name = name
			return nil, false, e
		}
		return nil, false, &Error{Name: name, Doing: "opening", Err: err}
	}
	return file, regular, nil
}

// take empties a file that was opened and gives it to its owner. In a shared directory it must be ours.
func take(file *os.File, shared bool, uid, gid *int) (regular bool, err error) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	if owner, known := ownerOf(info); shared && known && owner != os.Geteuid() && (uid == nil || owner != *uid) {
		return false, &Error{Doing: "opening", Err: errors.New("it belongs to another user, in a directory that everybody may write to"),
			advice: "remove it, or choose another name"}
	}
	if err := file.Truncate(0); err != nil {
		return false, err
	}
	if uid == nil && gid == nil {
		return true, nil
	}
	return true, file.Chown(orNone(uid), orNone(gid))
}

// isShared reports whether anybody may make files in a directory.
func isShared(dir string) (bool, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return false, err
	}
	const others = 0o002
	return info.Mode()&fs.ModeSticky != 0 && info.Mode().Perm()&others != 0, nil
}

func orNone(id *int) int {
	if id == nil {
		return -1
	}
	return *id
}
