package snapshot_test

import (
	"runtime"
	"strings"
	"syscall"
	"testing"

	"rollcall/services/snapshot"
)

// In containers a single file is mounted more often than its folder.
func TestAMountedFileIsRefusedAtTheStart(t *testing.T) {
	path, other := mustWritten(t), mustWritten(t)
	claimed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread, with the mounts that only it sees, ends with this goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			claimed <- err
			return
		}
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			claimed <- err
			return
		}
		if err := syscall.Mount(other, path, "", syscall.MS_BIND, ""); err != nil {
			claimed <- err
			return
		}
		_, err := snapshot.Claim(path)
		claimed <- err
	}()
	err := <-claimed
	if err == syscall.EPERM {
		t.Skip("mounting takes privileges")
	}
	if err == nil || !strings.Contains(err.Error(), "a file that is a mount point cannot be replaced: mount its folder") {
		t.Fatalf("got %v, want what to do instead", err)
	}
	checkError(t, err, path)
	if saved := mustLoad(t, path); len(saved.Servers) != 2 {
		t.Errorf("got %d servers", len(saved.Servers))
	}
}
