package snapshot

import (
	"errors"
	"fmt"
	"os"

	"github.com/go-json-experiment/json" // not encoding/json, which accepts duplicate names and invalid UTF-8

	"rollcall/services/registry"
)

// MaxSize is the largest size of the file in bytes. It is enough for about 500 000 servers with 500 bytes each. Write does not
// write a larger file, and Read does not read one.
const MaxSize = 256 << 20

// Read reads the file at path. The error wraps fs.ErrNotExist if there is no file. Any other error describes in one line why
// the file cannot be used.
func Read(path string) (*registry.Snapshot, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	saved, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %s: %w", path, err)
	}
	return saved, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // such as a pipe: opening a pipe would wait for a writer
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > MaxSize:
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, info.Size(), MaxSize)
	}
	return os.ReadFile(path)
}

func decode(b []byte) (*registry.Snapshot, error) {
	if len(b) == 0 {
		return nil, errors.New("is empty")
	}
	saved := new(registry.Snapshot)
	if err := json.Unmarshal(b, saved); err != nil {
		if v, ok := version(b); ok && v != registry.SnapshotVersion {
			return nil, fmt.Errorf("version %d, want %d", v, registry.SnapshotVersion)
		}
		return nil, fmt.Errorf("%.300w", err)
	}
	if err := saved.Validate(); err != nil {
		return nil, err
	}
	return saved, nil
}

// version returns the version that a file states, and whether it states one. The rest of the file may have any format.
func version(b []byte) (int, bool) {
	var other struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(b, &other); err != nil || other.Version == nil {
		return 0, false
	}
	return *other.Version, true
}
