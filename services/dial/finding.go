package dial

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

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

// maxLag is how late the end of a deadline may be noticed. Beyond it this process was stopped or starved, and what came in
// time may lie unread.
const maxLag = 100 * time.Millisecond

// By is what a server was found to be by a deadline: a silence that ended just now, longer after it than a process that runs
// would take to notice, says nothing of the server, and is FindingUnknown. It asks the clock.
func By(deadline time.Time, found registry.Finding) registry.Finding {
	if found == registry.FindingSilent && time.Since(deadline) > maxLag {
		return registry.FindingUnknown
	}
	return found
}
