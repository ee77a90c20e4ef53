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

func TestReaderSeesOnlyCompleteFilesDuringWrites(t *testing.T) {
	path := newPath(t)
	snapshots := []*registry.Snapshot{snapshotOf(1), snapshotOf(500)} // a small and a large snapshot
	mustWrite(t, path, snapshots[0])
	ctx, enough := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := snapshot.Write(path, snapshots[i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	defer checkAlone(t, path)
	defer writing.Wait()
	defer enough()
	for seen := map[int]int{}; seen[1] < 5 || seen[500] < 5; {
		saved, err := snapshot.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		seen[len(saved.Servers)]++
	}
}

func TestFailedWriteKeepsTheOldFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(path string, saved *registry.Snapshot) error
	}{
		{"an error in the middle of the snapshot", func(path string, saved *registry.Snapshot) error {
			saved.Servers[1500].Zone = "\xff" // not valid UTF-8, so that the snapshot cannot be encoded as JSON
			_, err := snapshot.Write(path, saved)
			return err
		}},
		{"a snapshot that is too large", func(path string, saved *registry.Snapshot) error {
			_, err := snapshot.WriteAtMost(path, saved, 300<<10)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			mustWrite(t, path, snapshotOf(3))
			old := string(mustRead(t, path))
			err := tt.fail(path, snapshotOf(2000))
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want an error of one line", err)
			}
			if got := string(mustRead(t, path)); got != old {
				t.Errorf("the old file has %d bytes now, and had %d", len(got), len(old))
			}
			checkAlone(t, path)
		})
	}
	t.Run("a directory in place of the file", func(t *testing.T) {
		path := newPath(t)
		mustMkdir(t, path)
		if _, err := snapshot.Write(path, snapshotOf(1)); err == nil {
			t.Error("got no error")
		}
		checkAlone(t, path)
	})
}

func TestWriteOfExactlyTheSizeLimit(t *testing.T) {
	path := newPath(t)
	size := mustWrite(t, path, snapshotOf(3))
	if _, err := snapshot.WriteAtMost(path, snapshotOf(3), size); err != nil {
		t.Error(err)
	}
	if _, err := snapshot.WriteAtMost(path, snapshotOf(3), size-1); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v, want an error with a limit one byte lower", err)
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
		want       string // text that the error must contain; empty: no error
	}{
		{"a new file", filepath.Join(folder, "roll.json"), ""},
		{"an existing file", file, ""},
		{"no path", "", "snapshot: path is empty"},
		{"no directory", filepath.Join(folder, "none", "roll.json"), "directory " + filepath.Join(folder, "none") + " does not exist"},
		{"a file in place of the directory", filepath.Join(file, "roll.json"), file + " is not a directory"},
		{"a directory in place of the file", locked, "is not a regular file"},
		{"a name that is too long for a temporary file", filepath.Join(folder, strings.Repeat("x", 255)), "cannot create a file in " + folder},
		{"a directory without write permission", filepath.Join(locked, "roll.json"), "cannot create a file in " + locked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.path, locked+"/") && os.Geteuid() == 0 {
				t.Skip("root can write everywhere")
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
		t.Errorf("the existing file is now %q", b)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 2 {
		t.Errorf("got %v, %v, want no temporary file", files, err)
	}
}
