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

// lockSuffix is appended to the name of the snapshot to name its lock file. The snapshot itself cannot be locked, because
// every write replaces it. The lock file is never removed, because another process may hold a lock on it.
const lockSuffix = ".lock"

// errInUse says that another process holds the lock.
var errInUse = errors.New("the snapshot is in use by another process")

// Claim locks the file at path for this process until the caller calls release or the process ends. It also checks that the file
// can be replaced, by replacing it with a copy. The error describes in one line why the file cannot be used. Claim does not wait
// for a lock.
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

// tryReplace replaces an existing file with a copy of itself. It skips a file that is too large to be read.
func tryReplace(target string, rename func(from, to string) error) error {
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular(): // such as a pipe: opening a pipe would wait for a writer
		return errors.New("is not a regular file")
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
		_ = os.Remove(f.Name()) // if this fails, the next Writer.Run removes the file
	}
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("a mount point cannot be replaced: mount its directory %s instead: %w", filepath.Dir(target), err)
	}
	return err
}
