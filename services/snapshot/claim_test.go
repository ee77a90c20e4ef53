package snapshot_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rollcall/services/snapshot"
)

func mustLink(t testing.TB, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func mustClaim(t testing.TB, path string) (release func()) {
	t.Helper()
	free, err := snapshot.Claim(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := free(); err != nil {
			t.Error(err)
		}
	}
}

func TestSymbolicLinkSurvivesWrites(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, folder, disk string) (target string) // makes the link folder/roll.json, and returns its target
	}{
		{"a link to a file", func(t *testing.T, folder, disk string) string {
			target := filepath.Join(disk, "real.json")
			mustWrite(t, target, snapshotOf(1))
			mustLink(t, target, filepath.Join(folder, "roll.json"))
			return target
		}},
		{"a link to a file that does not exist yet", func(t *testing.T, folder, disk string) string {
			target := filepath.Join(disk, "real.json")
			mustLink(t, target, filepath.Join(folder, "roll.json"))
			return target
		}},
		{"a relative link to a link", func(t *testing.T, folder, disk string) string {
			target := filepath.Join(disk, "real.json")
			mustLink(t, target, filepath.Join(folder, "between"))
			mustLink(t, "between", filepath.Join(folder, "roll.json"))
			return target
		}},
		{"a link into a directory that is a link", func(t *testing.T, folder, disk string) string {
			mustLink(t, disk, filepath.Join(folder, "disk"))
			mustLink(t, filepath.Join("disk", "real.json"), filepath.Join(folder, "roll.json"))
			return filepath.Join(disk, "real.json")
		}},
		{"a link to a file beside a directory that is a link", func(t *testing.T, folder, disk string) string {
			mustMkdir(t, filepath.Join(disk, "inner"))
			mustLink(t, filepath.Join(disk, "inner"), filepath.Join(folder, "inner"))
			mustLink(t, filepath.Join("..", "files", "real.json"), filepath.Join(disk, "inner", "roll.json"))
			mustLink(t, filepath.Join("inner", "roll.json"), filepath.Join(folder, "roll.json"))
			mustMkdir(t, filepath.Join(disk, "files"))
			return filepath.Join(disk, "files", "real.json")
		}},
		{"a link with .. after a link", func(t *testing.T, folder, disk string) string {
			mustMkdir(t, filepath.Join(disk, "inner"))
			mustMkdir(t, filepath.Join(disk, "deep"))
			mustLink(t, filepath.Join(disk, "deep"), filepath.Join(folder, "deep"))
			mustLink(t, "deep/../inner/real.json", filepath.Join(folder, "roll.json"))
			return filepath.Join(disk, "inner", "real.json")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder, disk := t.TempDir(), t.TempDir()
			path, target := filepath.Join(folder, "roll.json"), tt.make(t, folder, disk)
			if err := snapshot.CheckWritable(path); err != nil {
				t.Fatal(err)
			}
			release := mustClaim(t, path)
			defer release()
			mustWrite(t, path, snapshotOf(3))
			if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("%s is no longer a link: %v, %v", path, info, err)
			}
			for _, at := range []string{path, target} {
				if got := mustReadSnapshot(t, at); len(got.Servers) != 3 {
					t.Errorf("%s has %d servers, want 3", at, len(got.Servers))
				}
			}
			files, err := os.ReadDir(filepath.Dir(target))
			if err != nil || len(files) != 2 { // the snapshot and its lock file
				t.Errorf("got %v, %v in the directory of the target, want the file and its lock", files, err)
			}
		})
	}
}

func TestBrokenSymbolicLinks(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	mustLink(t, "loop", at("loop"))
	mustLink(t, filepath.Join("none", "roll.json"), at("nowhere"))
	mustMkdir(t, at("folder"))
	mustLink(t, "folder", at("to-folder"))
	for name, want := range map[string]string{
		"loop":      "symbolic links in a row",
		"nowhere":   "directory " + at("none") + " does not exist",
		"to-folder": "is not a regular file",
	} {
		err := snapshot.CheckWritable(at(name))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if _, err := snapshot.Claim(at(name)); err == nil {
			t.Errorf("%s: claimed, want an error", name)
		}
	}
}

func TestFileIsLockedForOneProcess(t *testing.T) {
	path := newPath(t)
	mustLink(t, filepath.Base(path), path+"-link")
	release := mustClaim(t, path)
	mustWrite(t, path, snapshotOf(1))
	for _, other := range []string{path, path + "-link"} {
		if _, err := snapshot.Claim(other); err == nil || !strings.Contains(err.Error(), "in use by another process") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line about the other process", other, err)
		}
	}
	release()
	mustClaim(t, path+"-link")()
}

func TestClaimChecksThatTheFileCanBeReplaced(t *testing.T) {
	busy := func(from, to string) error {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EBUSY}
	}
	for _, tt := range []struct {
		name   string
		rename func(from, to string) error
		want   string
	}{
		{"a mount point", busy, "mount its directory"},
		{"a file of another user in a sticky directory", func(string, string) error { return syscall.EPERM }, "operation not permitted"},
		{"another file system", func(string, string) error { return syscall.EXDEV }, "cross-device"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := mustWritten(t)
			old := mustRead(t, path)
			_, err := snapshot.ClaimWith(path, tt.rename)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			checkError(t, err, path)
			if string(mustRead(t, path)) != string(old) {
				t.Error("the file has changed")
			}
			if err := os.Remove(path + ".lock"); err != nil {
				t.Error(err)
			}
			checkAlone(t, path)
			mustClaim(t, path)() // succeeds only if the failed Claim released the lock
		})
	}
}

func TestClaimKeepsTheContent(t *testing.T) {
	path := newPath(t)
	for _, body := range []string{"", "garbage", strings.Repeat("x", 100_000)} {
		mustPut(t, path, []byte(body))
		mustClaim(t, path)()
		if string(mustRead(t, path)) != body {
			t.Errorf("the content of %d bytes has changed", len(body))
		}
	}
	for name, make := range map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := newPath(t)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if err := snapshot.CheckWritable(path); err == nil {
			t.Errorf("%s: writable, want an error", name)
		}
		if _, err := snapshot.Claim(path); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
	if _, err := snapshot.Claim(filepath.Join(path, "roll.json")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file in place of the directory: %v", err)
	}
}
