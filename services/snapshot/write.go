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

// temporary stands between the name of the file and a random number in the name of one that is being written.
const temporary = ".tmp-"

// Write replaces the file at path, or the one that a symbolic link at path names, for its owner alone to read, and returns the size. When it returns without an error
// the file is on the disk. After an error the file is the old one, or the new one that a loss of power may take back.
func Write(path string, saved *registry.Saved) (size int64, err error) {
	if size, err = write(path, saved, MaxSize); err != nil {
		return 0, fmt.Errorf("snapshot: %w", err)
	}
	return size, nil
}

func write(path string, saved *registry.Saved, limit int64) (size int64, err error) {
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
		_ = os.Remove(f.Name()) // or the next start does
		return 0, err
	}
	return size, syncFolder(filepath.Dir(path))
}

func create(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+temporary+"*")
}

// encode writes to the disk.
func encode(f *os.File, saved *registry.Saved, limit int64) (size int64, err error) {
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

// boundedWriter writes no more than Load reads.
type boundedWriter struct {
	io.Writer
	left int64
}

var errTooLarge = errors.New("the roll is too large to be read again")

func (w *boundedWriter) Write(p []byte) (int, error) {
	if w.left -= int64(len(p)); w.left < 0 {
		return 0, errTooLarge
	}
	return w.Writer.Write(p)
}

// syncFolder has the new name of a file outlive a loss of power.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return cmp.Or(d.Sync(), d.Close())
}

// CheckWritable says in one line why no roll can be kept at path, before anything starts.
func CheckWritable(path string) error {
	if path == "" {
		return errors.New("snapshot: no path")
	}
	target, err := resolve(path)
	if err != nil {
		return fmt.Errorf("snapshot: %s: %w", path, err)
	}
	folder := filepath.Dir(target)
	at, err := os.Stat(folder)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("snapshot: %s: there is no folder %s", path, folder)
	case err != nil:
		return fmt.Errorf("snapshot: %s: %w", path, err)
	case !at.IsDir():
		return fmt.Errorf("snapshot: %s: %s is no folder", path, folder)
	}
	if old, err := os.Stat(target); err == nil && !old.Mode().IsRegular() {
		return fmt.Errorf("snapshot: %s is no regular file", path)
	}
	f, err := create(target)
	if err != nil {
		return fmt.Errorf("snapshot: %s: no file can be made in %s: %w", path, folder, err)
	}
	if err := cmp.Or(f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("snapshot: %s: %w", path, err)
	}
	return nil
}

// removeTemporary removes what a crash has left beside the file at path.
func removeTemporary(path string) error {
	path, err := resolve(path)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	folder := filepath.Dir(path)
	files, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	for _, f := range files {
		number, ok := strings.CutPrefix(f.Name(), filepath.Base(path)+temporary)
		if !ok || strings.Trim(number, "0123456789") != "" { // of somebody else
			continue
		}
		if err := os.Remove(filepath.Join(folder, f.Name())); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
	}
	return nil
}
