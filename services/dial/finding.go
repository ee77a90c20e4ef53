package dial

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"rollcall/services/registry"
)

// Finding returns what a connection that failed with err shows about the server. It returns FindingUnknown if the cause may be
// in this process, such as its network, its file descriptors or its permissions.
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

// maxLag is the longest delay with which this process, when it runs normally, notices that a deadline has passed. After a longer
// delay, the process was paused or starved of CPU, and a response may have arrived in time.
const maxLag = 100 * time.Millisecond

// By corrects the finding of an attempt that had a deadline and has just ended. If found is FindingSilent and the deadline
// passed more than maxLag ago, By returns FindingUnknown, because this process itself may be the cause.
func By(deadline time.Time, found registry.Finding) registry.Finding {
	if found == registry.FindingSilent && time.Since(deadline) > maxLag {
		return registry.FindingUnknown
	}
	return found
}
