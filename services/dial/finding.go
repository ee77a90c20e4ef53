package dial

import (
	"context"
	"errors"
	"os"
	"syscall"

	"rollcall/services/registry"
)

// Finding judges a connection that failed with err. What is not known to speak of the server may speak of this process:
// of its network, its files, its permissions. That is FindingUnknown.
func Finding(err error) registry.Finding {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(syscall.ECONNREFUSED):
		return registry.FindingRefused
	case is(syscall.ECONNRESET): // connected to and reset before this process looked
		return registry.FindingAccepted
	case is(os.ErrDeadlineExceeded), is(context.DeadlineExceeded), is(syscall.ETIMEDOUT), is(syscall.EHOSTUNREACH):
		return registry.FindingSilent
	}
	return registry.FindingUnknown
}
