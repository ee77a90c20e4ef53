package snapshot_test

import (
	"runtime"
	"strings"
	"syscall"
	"testing"

	"rollcall/services/snapshot"
)

// Users of containers often mount the file itself instead of its directory. A mount point cannot be replaced.
func TestClaimRejectsAMountedFile(t *testing.T) {
	path, other := mustWritten(t), mustWritten(t)
	claimed := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread and its private mounts end with this goroutine
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
		t.Skip("mount needs privileges")
	}
	if err == nil || !strings.Contains(err.Error(), "a mount point cannot be replaced: mount its directory") {
		t.Fatalf("got %v, want an error with the remedy", err)
	}
	checkError(t, err, path)
	if saved := mustReadSnapshot(t, path); len(saved.Servers) != 2 {
		t.Errorf("got %d servers", len(saved.Servers))
	}
}
