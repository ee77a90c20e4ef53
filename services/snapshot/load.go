package snapshot

import (
	"errors"
	"fmt"
	"os"

	"github.com/go-json-experiment/json" // encoding/json takes duplicate names and invalid UTF-8

	"rollcall/services/registry"
)

// MaxSize bounds the file: a roll of some 500 000 servers. A larger one is neither written nor read.
const MaxSize = 256 << 20

// Load reads the roll that was saved at path. It is an fs.ErrNotExist if there is none. Any other error says in one line
// what is wrong with the file, and nothing of it is of use then.
func Load(path string) (*registry.Saved, error) {
	b, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	saved, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %s: %w", path, err)
	}
	return saved, nil
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // to open a pipe is to wait for its writer
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > MaxSize:
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, info.Size(), MaxSize)
	}
	return os.ReadFile(path)
}

func decode(b []byte) (*registry.Saved, error) {
	if len(b) == 0 {
		return nil, errors.New("is empty")
	}
	saved := new(registry.Saved)
	if err := json.Unmarshal(b, saved); err != nil {
		if v, ok := version(b); ok && v != registry.SavedVersion {
			return nil, fmt.Errorf("version %d, want %d", v, registry.SavedVersion)
		}
		return nil, fmt.Errorf("%.300w", err)
	}
	if err := saved.Validate(); err != nil {
		return nil, err
	}
	return saved, nil
}

// version is what another format says of itself, whatever else it says.
func version(b []byte) (int, bool) {
	var other struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(b, &other); err != nil || other.Version == nil {
		return 0, false
	}
	return *other.Version, true
}
