package dial

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"rollcall/services/registry"
)

// Finding returns what a connection that failed with err shows about the server. If the cause may be this process, such as its
// network, its file descriptors or its permissions, it is FindingUnknown.
func Finding(err error) registry.Finding {
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(syscall.ECONNREFUSED):
		return registry.FindingRefused
	case is(syscall.ECONNRESET): // the server accepted the connection and reset it at once
		return registry.FindingAccepted
	case is(os.ErrDeadlineExceeded), is(context.DeadlineExceeded), is(syscall.ETIMEDOUT), is(syscall.EHOSTUNREACH):
		return registry.FindingSilent
	}
	return registry.FindingUnknown
}

// maxLag is how late this process may notice the end of a deadline. If it is later, it was paused or starved of CPU, and a
// response may have arrived in time.
const maxLag = 100 * time.Millisecond

// By corrects a finding that a deadline ended just now. FindingSilent becomes FindingUnknown if this process noticed the
// deadline too late, so that the fault may be its own. By reads the clock.
func By(deadline time.Time, found registry.Finding) registry.Finding {
	if found == registry.FindingSilent && time.Since(deadline) > maxLag {
		return registry.FindingUnknown
	}
	return found
}
