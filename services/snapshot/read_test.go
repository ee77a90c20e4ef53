package snapshot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"rollcall/services/snapshot"
)

func TestReadReturnsWhatWasWritten(t *testing.T) {
	for _, servers := range []int{0, 1, 1000} {
		path := newPath(t)
		want := snapshotOf(servers)
		size := mustWrite(t, path, want)
		got := mustReadSnapshot(t, path)
		if servers == 0 {
			got.Servers = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != size || info.Mode() != 0o600 {
			t.Errorf("got %d bytes with mode %v, want %d bytes that only the owner can read", info.Size(), info.Mode(), size)
		}
		checkAlone(t, path)
	}
}

func TestReadWithoutFile(t *testing.T) {
	path := newPath(t)
	for _, tt := range []struct{ name, path string }{
		{"no file", path},
		{"no directory", filepath.Join(path, "roll.json")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			saved, err := snapshot.Read(tt.path)
			if saved != nil || !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("got %v, %v, want fs.ErrNotExist", saved, err)
			}
			checkError(t, err, tt.path)
		})
	}
}

func TestReadOfBrokenFile(t *testing.T) {
	whole := string(mustRead(t, mustWritten(t)))
	for _, tt := range []struct {
		name, body string
		want       string // text that the error must contain
	}{
		{"an empty file", "", "is empty"},
		{"one byte short", whole[:len(whole)-1], "EOF"},
		{"half of the file", whole[:len(whole)/2], "EOF"},
		{"the first byte only", whole[:1], "EOF"},
		{"one byte too many", whole + "x", "after top-level value"},
		{"the same content twice", whole + whole, "after top-level value"},
		{"zeros, which a file system may leave after a crash", strings.Repeat("\x00", len(whole)), `invalid character '\x00'`},
		{"garbage", "\x7fELF\n\n\x01\x02", "invalid character"},
		{"an array", "[]", "unmarshal JSON array"},
		{"null", "null", "version 0, want 1"},
		{"an empty object", "{}", "version 0, want 1"},
		{"another version", strings.Replace(whole, `"version":1`, `"version":2`, 1), "version 2, want 1"},
		{"another version in another format", `{"version":2,"servers":{"a":1}}`, "version 2, want 1"},
		{"this version in another format", `{"version":1,"servers":{"a":1}}`, "servers"},
		{"a field of another type", strings.Replace(whole, `"ttl_ms":10000`, `"ttl_ms":"10 s"`, 1), "ttl_ms"},
		{"a duplicate name", strings.Replace(whole, `"version":1`, `"version":1,"version":1`, 1), "duplicate"},
		{"a long duplicate name", `{"` + strings.Repeat("x", 10_000) + `":1,"` + strings.Repeat("x", 10_000) + `":1}`, "duplicate"},
		{"a duplicate meta key", strings.Replace(whole, `"rack":"r7"`, `"rack":"r7","rack":"r8"`, 1), "duplicate"},
		{"invalid UTF-8", strings.Replace(whole, "blue", "bl\xffue", 1), "UTF-8"},
		{"an invalid server", strings.Replace(whole, `"weight":100`, `"weight":-1`, 1), "server 0: weight"},
		{"a duplicate server", strings.Replace(whole, strings.Repeat("0", 31)+"1", strings.Repeat("0", 32), 1), "server 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.body == whole {
				t.Fatal("the body is valid")
			}
			path := newPath(t)
			mustPut(t, path, []byte(tt.body))
			saved, err := snapshot.Read(path)
			if saved != nil || err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("got %v, %v, want an error with %q", saved, err, tt.want)
			}
			checkError(t, err, path)
		})
	}
	t.Run("cut at any length", func(t *testing.T) {
		path := newPath(t)
		for n := range len(whole) {
			mustPut(t, path, []byte(whole[:n]))
			if saved, err := snapshot.Read(path); err == nil || saved != nil {
				t.Fatalf("%d of %d bytes: got %v, %v", n, len(whole), saved, err)
			}
		}
	})
}

func mustWritten(t testing.TB) (path string) {
	t.Helper()
	path = newPath(t)
	mustWrite(t, path, snapshotOf(2))
	return path
}

// checkError checks that err has one line and names the file.
func checkError(t *testing.T, err error, path string) {
	t.Helper()
	if s := err.Error(); !strings.HasPrefix(s, "snapshot: ") || strings.Contains(s, "\n") || !strings.Contains(s, path) || len(s) > 500+len(path) {
		t.Errorf("got %q, want one line that names %s", s, path)
	}
}

func TestReadOfNonRegularFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "is not a regular file"},
		{"a pipe without a writer", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
		{"a file that is too large", func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, snapshot.MaxSize+1))
		}, "has 268435457 bytes, want at most 268435456"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := newPath(t)
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := snapshot.Read(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			checkError(t, err, path)
		})
	}
}

// For any content, Read returns a snapshot or an error of one line. If the snapshot is written and read again, it is the same.
func FuzzRead(f *testing.F) {
	whole := mustRead(f, mustWritten(f))
	for _, seed := range [][]byte{nil, whole, whole[:len(whole)/2], append(bytes.Clone(whole), '0'), []byte(`{"version":1}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		saved, err := snapshot.Decode(body)
		if err != nil {
			if s := err.Error(); strings.Contains(s, "\n") || len(s) > 500 {
				t.Errorf("got %q, want one line", s)
			}
			return
		}
		if err := saved.Validate(); err != nil {
			t.Fatal(err)
		}
		written := mustJSON(t, saved)
		again, err := snapshot.Decode(written)
		if err != nil {
			t.Fatal(err)
		}
		if b := mustJSON(t, again); !bytes.Equal(b, written) {
			t.Fatalf("got\n%s\nwant\n%s", b, written)
		}
	})
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
