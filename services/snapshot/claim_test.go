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

func TestALinkStaysALink(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, folder, disk string) (target string) // folder/roll.json is the link
	}{
		{"to a file", func(t *testing.T, folder, disk string) string {
			target := filepath.Join(disk, "real.json")
			mustWrite(t, target, savedOf(1))
			mustLink(t, target, filepath.Join(folder, "roll.json"))
			return target
		}},
		{"to no file yet", func(t *testing.T, folder, disk string) string {
			target := filepath.Join(disk, "real.json")
			mustLink(t, target, filepath.Join(folder, "roll.json"))
			return target
		}},
		{"to a link, relative", func(t *testing.T, folder, disk string) string {
			target := filepath.Join(disk, "real.json")
			mustLink(t, target, filepath.Join(folder, "between"))
			mustLink(t, "between", filepath.Join(folder, "roll.json"))
			return target
		}},
		{"in a folder that is a link", func(t *testing.T, folder, disk string) string {
			mustLink(t, disk, filepath.Join(folder, "disk"))
			mustLink(t, filepath.Join("disk", "real.json"), filepath.Join(folder, "roll.json"))
			return filepath.Join(disk, "real.json")
		}},
		{"to a file beside a folder that is a link", func(t *testing.T, folder, disk string) string {
			mustMkdir(t, filepath.Join(disk, "inner"))
			mustLink(t, filepath.Join(disk, "inner"), filepath.Join(folder, "inner"))
			mustLink(t, filepath.Join("..", "files", "real.json"), filepath.Join(disk, "inner", "roll.json"))
			mustLink(t, filepath.Join("inner", "roll.json"), filepath.Join(folder, "roll.json"))
			mustMkdir(t, filepath.Join(disk, "files"))
			return filepath.Join(disk, "files", "real.json")
		}},
		{"up from the target of a link", func(t *testing.T, folder, disk string) string {
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
			mustWrite(t, path, savedOf(3))
			if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("%s is no link any more: %v, %v", path, info, err)
			}
			for _, at := range []string{path, target} {
				if got := mustLoad(t, at); len(got.Servers) != 3 {
					t.Errorf("%s has %d servers, want 3", at, len(got.Servers))
				}
			}
			files, err := os.ReadDir(filepath.Dir(target))
			if err != nil || len(files) != 2 { // and the lock
				t.Errorf("got %v, %v beside the target, want the file and its lock", files, err)
			}
		})
	}
}

func TestLinksThatLeadNowhere(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	mustLink(t, "loop", at("loop"))
	mustLink(t, filepath.Join("none", "roll.json"), at("nowhere"))
	mustMkdir(t, at("folder"))
	mustLink(t, "folder", at("to-folder"))
	for name, want := range map[string]string{
		"loop":      "symbolic links follow each other",
		"nowhere":   "there is no folder " + at("none"),
		"to-folder": "is no regular file",
	} {
		err := snapshot.CheckWritable(at(name))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
		if _, err := snapshot.Claim(at(name)); err == nil {
			t.Errorf("%s: it can be claimed", name)
		}
	}
}

func TestAFileIsOfOneProcess(t *testing.T) {
	path := newPath(t)
	mustLink(t, filepath.Base(path), path+"-link")
	release := mustClaim(t, path)
	mustWrite(t, path, savedOf(1))
	for _, other := range []string{path, path + "-link"} {
		if _, err := snapshot.Claim(other); err == nil || !strings.Contains(err.Error(), "another process keeps its roll there") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want a line that says who has it", other, err)
		}
	}
	release()
	mustClaim(t, path+"-link")()
}

func TestClaimTriesWhatWritingDoes(t *testing.T) {
	busy := func(from, to string) error {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EBUSY}
	}
	for _, tt := range []struct {
		name   string
		rename func(from, to string) error
		want   string
	}{
		{"a mount point", busy, "mount its folder"},
		{"a file of somebody else in a folder for all", func(string, string) error { return syscall.EPERM }, "operation not permitted"},
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
				t.Error("the file is another one")
			}
			if err := os.Remove(path + ".lock"); err != nil {
				t.Error(err)
			}
			checkAlone(t, path)
			mustClaim(t, path)() // nobody holds it
		})
	}
}

func TestClaimKeepsWhatIsThere(t *testing.T) {
	path := newPath(t)
	for _, body := range []string{"", "garbage", strings.Repeat("x", 100_000)} {
		mustPut(t, path, []byte(body))
		mustClaim(t, path)()
		if string(mustRead(t, path)) != body {
			t.Errorf("%d bytes are others now", len(body))
		}
	}
	for name, make := range map[string]func(path string) error{
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := newPath(t)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if err := snapshot.CheckWritable(path); err == nil {
			t.Errorf("%s is writable", name)
		}
		if _, err := snapshot.Claim(path); err == nil || !strings.Contains(err.Error(), "is no regular file") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := snapshot.Claim(filepath.Join(path, "roll.json")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}
