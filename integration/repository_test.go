package integration

import (
	"os"
	"path/filepath"
	"testing"
)

func mustRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	must(tb, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			tb.Fatal("no go.mod in the working directory or above")
		}
		dir = filepath.Dir(dir)
	}
}

// mustFile is a file of the repository.
func mustFile(tb testing.TB, name string) []byte {
	tb.Helper()
	body, err := os.ReadFile(filepath.Join(mustRoot(tb), name))
	must(tb, err)
	return body
}
