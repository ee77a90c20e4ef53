package snapshot_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"rollcall/services/registry"
	"rollcall/services/snapshot"
)

// Whoever opens the file while it is written sees a whole one.
func TestWriteIsAtomic(t *testing.T) {
	path := newPath(t)
	rolls := []*registry.Saved{savedOf(1), savedOf(500)} // small and large
	mustWrite(t, path, rolls[0])
	ctx, enough := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := snapshot.Write(path, rolls[i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	defer checkAlone(t, path)
	defer writing.Wait()
	defer enough()
	for seen := map[int]int{}; seen[1] < 5 || seen[500] < 5; {
		saved, err := snapshot.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		seen[len(saved.Servers)]++
	}
}

func TestAfterAWriteThatFailsTheOldFileStays(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(path string, saved *registry.Saved) error
	}{
		{"after half of the roll", func(path string, saved *registry.Saved) error {
			saved.Servers[1500].Zone = "\xff" // is no JSON
			_, err := snapshot.Write(path, saved)
			return err
		}},
		{"at a roll that is too large", func(path string, saved *registry.Saved) error {
			_, err := snapshot.WriteAtMost(path, saved, 300<<10)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			mustWrite(t, path, savedOf(3))
			old := string(mustRead(t, path))
			err := tt.fail(path, savedOf(2000))
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want an error of one line", err)
			}
			if got := string(mustRead(t, path)); got != old {
				t.Errorf("the old file is %d bytes, was %d", len(got), len(old))
			}
			checkAlone(t, path)
		})
	}
	t.Run("a folder stands in its place", func(t *testing.T) {
		path := newPath(t)
		mustMkdir(t, path)
		if _, err := snapshot.Write(path, savedOf(1)); err == nil {
			t.Error("got no error")
		}
		checkAlone(t, path)
	})
}

func TestWriteOfExactlyTheLimit(t *testing.T) {
	path := newPath(t)
	size := mustWrite(t, path, savedOf(3))
	if _, err := snapshot.WriteAtMost(path, savedOf(3), size); err != nil {
		t.Error(err)
	}
	if _, err := snapshot.WriteAtMost(path, savedOf(3), size-1); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v, want one byte less to be too few", err)
	}
}

func mustMkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestCheckWritable(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	mustPut(t, file, []byte("old"))
	locked := filepath.Join(folder, "locked")
	mustMkdir(t, locked)
	if err := os.Chmod(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       string // in the error; none if there is none
	}{
		{"a new file", filepath.Join(folder, "roll.json"), ""},
		{"a file that is there", file, ""},
		{"no path", "", "snapshot: no path"},
		{"no folder", filepath.Join(folder, "none", "roll.json"), "there is no folder " + filepath.Join(folder, "none")},
		{"a file for a folder", filepath.Join(file, "roll.json"), file + " is no folder"},
		{"a folder for a file", locked, "is no regular file"},
		{"a name that is too long with a number behind it", filepath.Join(folder, strings.Repeat("x", 255)), "no file can be made in " + folder},
		{"a folder that takes no files", filepath.Join(locked, "roll.json"), "no file can be made in " + locked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.path, locked+"/") && os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			err := snapshot.CheckWritable(tt.path)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			case err != nil:
				checkError(t, err, tt.path)
			}
		})
	}
	if b := mustRead(t, file); string(b) != "old" {
		t.Errorf("the file that was there is %q", b)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 2 {
		t.Errorf("got %v, %v, want nothing left", files, err)
	}
}
