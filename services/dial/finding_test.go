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

// failed is the error of a dialer to which errno happened.
func failed(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

func TestFindingOfAFailedConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want registry.Finding
	}{
		{"refused", failed(syscall.ECONNREFUSED), registry.FindingRefused},
		{"reset before this process looked", failed(syscall.ECONNRESET), registry.FindingAccepted},
		{"timeout of the kernel", failed(syscall.ETIMEDOUT), registry.FindingSilent},
		{"timeout of the dialer", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, registry.FindingSilent},
		{"timeout of the context", context.DeadlineExceeded, registry.FindingSilent},
		{"the host is gone", failed(syscall.EHOSTUNREACH), registry.FindingSilent},
		{"the caller is gone", context.Canceled, registry.FindingUnknown},
		{"no network", failed(syscall.ENETUNREACH), registry.FindingUnknown},
		{"no files", failed(syscall.EMFILE), registry.FindingUnknown},
		{"no files on the host", failed(syscall.ENFILE), registry.FindingUnknown},
		{"no buffers", failed(syscall.ENOBUFS), registry.FindingUnknown},
		{"no ports", failed(syscall.EADDRNOTAVAIL), registry.FindingUnknown},
		{"no ports in time", failed(syscall.EAGAIN), registry.FindingUnknown},
		{"forbidden", failed(syscall.EACCES), registry.FindingUnknown},
		{"not permitted by the host", failed(syscall.EPERM), registry.FindingUnknown},
		{"anything else", errors.New("broken"), registry.FindingUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := dial.Finding(tt.err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
