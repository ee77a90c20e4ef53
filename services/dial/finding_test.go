package dial_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"rollcall/services/dial"
	"rollcall/services/registry"
)

// failed returns the error that a dialer returns if its call of connect failed with errno.
func failed(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

func TestFindingOfFailedConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want registry.Finding
	}{
		{"refused", failed(syscall.ECONNREFUSED), registry.FindingRefused},
		{"reset at once", failed(syscall.ECONNRESET), registry.FindingAccepted},
		{"timeout of the kernel", failed(syscall.ETIMEDOUT), registry.FindingSilent},
		{"timeout of the dialer", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, registry.FindingSilent},
		{"timeout of the context", context.DeadlineExceeded, registry.FindingSilent},
		{"host unreachable", failed(syscall.EHOSTUNREACH), registry.FindingSilent},
		{"canceled by the caller", context.Canceled, registry.FindingUnknown},
		{"no network", failed(syscall.ENETUNREACH), registry.FindingUnknown},
		{"too many open files of the process", failed(syscall.EMFILE), registry.FindingUnknown},
		{"too many open files of the host", failed(syscall.ENFILE), registry.FindingUnknown},
		{"no buffer space", failed(syscall.ENOBUFS), registry.FindingUnknown},
		{"no free port", failed(syscall.EADDRNOTAVAIL), registry.FindingUnknown},
		{"no free port, EAGAIN", failed(syscall.EAGAIN), registry.FindingUnknown},
		{"permission denied", failed(syscall.EACCES), registry.FindingUnknown},
		{"operation not permitted", failed(syscall.EPERM), registry.FindingUnknown},
		{"any other error", errors.New("broken"), registry.FindingUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := dial.Finding(tt.err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
