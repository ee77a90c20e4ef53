package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// lockSuffix ends the name of the file beside the snapshot that a process holds locked while it writes the snapshot. The
// snapshot itself cannot be locked: each writing puts another file in its place. The lock file stays, empty: a process
// that removed it could remove the lock of another one.
const lockSuffix = ".lock"

// errInUse says that another process holds the lock.
var errInUse = errors.New("another process keeps its roll there")

// Claim makes the file at path this process's own until release, or the end of the process, and tries to replace the file
// by a copy, as each writing does. Its error says in one line why the file cannot be used. Claim waits for nobody.
func Claim(path string) (release func() error, err error) {
	return claim(path, os.Rename)
}

func claim(path string, rename func(from, to string) error) (release func() error, err error) {
	target, err := resolve(path)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	lock, err := os.OpenFile(target+lockSuffix, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if err := cmp.Or(lockFile(lock), tryReplace(target, rename)); err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot: %s: %w", path, err), lock.Close())
	}
	return lock.Close, nil
}

// tryReplace replaces a file that is there by a copy of itself. One that is too large to be read is left alone.
func tryReplace(target string, rename func(from, to string) error) error {
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular(): // to open a pipe is to wait for its writer
		return errors.New("is no regular file")
	case info.Size() > MaxSize:
		return nil
	}
	old, err := os.Open(target)
	if err != nil {
		return err
	}
	defer old.Close()
	f, err := create(target)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, old)
	if err = cmp.Or(err, f.Sync(), f.Close()); err == nil {
		err = rename(f.Name(), target)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // or the next start does
	}
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("a file that is a mount point cannot be replaced: mount its folder %s instead: %w", filepath.Dir(target), err)
	}
	return err
}
