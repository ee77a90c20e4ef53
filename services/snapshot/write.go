package snapshot

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"

	"rollcall/services/registry"
)

// temporary is the middle part of the name of a temporary file. The name of the snapshot comes before it, and a random number
// after it.
const temporary = ".tmp-"

// Write replaces the file at path, or the target of a symbolic link at path, and returns the size of the new file. Only the
// owner can read the new file. If Write returns no error, the new file survives a loss of power. After an error, path has the
// old file or the new file; a loss of power can then bring back the old file.
func Write(path string, saved *registry.Snapshot) (size int64, err error) {
	if size, err = write(path, saved, MaxSize); err != nil {
		return 0, fmt.Errorf("snapshot: %w", err)
	}
	return size, nil
}

func write(path string, saved *registry.Snapshot, limit int64) (size int64, err error) {
	path, err = resolve(path)
	if err != nil {
		return 0, err
	}
	f, err := create(path)
	if err != nil {
		return 0, err
	}
	size, err = encode(f, saved, limit)
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // if this fails, the next Writer.Run removes the file
		return 0, err
	}
	return size, syncDir(filepath.Dir(path))
}

func create(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+temporary+"*")
}

// encode writes saved to f as JSON, and syncs f to disk.
func encode(f *os.File, saved *registry.Snapshot, limit int64) (size int64, err error) {
	bounded := &boundedWriter{Writer: f, left: limit}
	buffered := bufio.NewWriterSize(bounded, 64<<10)
	if err := json.MarshalWrite(buffered, saved); err != nil {
		return 0, err
	}
	if err := buffered.Flush(); err != nil {
		return 0, err
	}
	return limit - bounded.left, f.Sync()
}

// boundedWriter fails when more bytes are written than its limit (the field left), so that Write makes no file that is too large
// for Read.
type boundedWriter struct {
	io.Writer
	left int64
}

var errTooLarge = errors.New("the snapshot is too large to be read again")

func (w *boundedWriter) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		return 0, errTooLarge
	}
	return w.Writer.Write(p)
}

// syncDir syncs a directory, so that a rename in the directory survives a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return cmp.Or(d.Sync(), d.Close())
}

// CheckWritable returns an error of one line if no snapshot can be written to path. To find out, it creates a temporary file and
// removes the file again.
func CheckWritable(path string) error {
	if path == "" {
		return errors.New("snapshot: path is empty")
	}
	target, err := resolve(path)
	if err != nil {
		return fmt.Errorf("snapshot: %s: %w", path, err)
	}
	dir := filepath.Dir(target)
	at, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("snapshot: %s: directory %s does not exist", path, dir)
	case err != nil:
		return fmt.Errorf("snapshot: %s: %w", path, err)
	case !at.IsDir():
		return fmt.Errorf("snapshot: %s: %s is not a directory", path, dir)
	}
	if old, err := os.Stat(target); err == nil && !old.Mode().IsRegular() {
		return fmt.Errorf("snapshot: %s is not a regular file", path)
	}
	f, err := create(target)
	if err != nil {
		return fmt.Errorf("snapshot: %s: cannot create a file in %s: %w", path, dir, err)
	}
	if err := cmp.Or(f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("snapshot: %s: %w", path, err)
	}
	return nil
}

// removeTemporary removes the temporary files that a crash left beside the file at path.
func removeTemporary(path string) error {
	path, err := resolve(path)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	dir := filepath.Dir(path)
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	for _, f := range files {
		number, ok := strings.CutPrefix(f.Name(), filepath.Base(path)+temporary)
		if !ok || strings.Trim(number, "0123456789") != "" { // not a temporary file of this package
			continue
		}
		if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	return nil
}
