package proxy

import (
	"net/http"
	"time"
)

// A client that reads slowly but steadily seems to pause for a long time: its kernel buffers megabytes, and opens the TCP window only after
// the client has read a large part of them. curl with a rate limit also seems to pause: it reads everything that has arrived and then
// sleeps. Therefore a client that has read at least steadyRate on average may pause for longer than the stall timeout.
const (
	steadyRate  = 16 << 10 // bytes per second
	mostPatient = 10       // limit of the additional pause, in stall timeouts
	maxTaken    = 1 << 33  // bytes; patience multiplies reply.taken by time.Second, and the product must fit into a time.Duration
)

// patience returns how long the next write to a client may take. taken is the number of bytes written to the client so far, and waited is
// the total time that the writes took.
func patience(taken int64, waited, stall time.Duration) time.Duration {
	earned := time.Duration(taken)*time.Second/steadyRate - waited
	return stall + max(0, min(earned, mostPatient*stall))
}

// limitWrite sets the deadline of the next write to the client, and returns the current time.
func (y *reply) limitWrite() time.Time {
	now := time.Now()
	_ = http.NewResponseController(y.w).SetWriteDeadline(now.Add(patience(y.taken, y.waited, y.stall)))
	return now
}

// renewWrite sets the deadline for writing a response header in HTTP/1.1. During the first stall timeout of a request it does nothing:
// http.Server has set the deadline to two stall timeouts after the start of the request, so at least one stall timeout is left.
func (y *reply) renewWrite() {
	if y.r.ProtoMajor == 1 && time.Since(y.begun) > y.stall {
		y.limitWrite()
	}
}

// unlimitWrite removes the write deadline while the proxy waits for the server. It does so only in HTTP/2, where a deadline that passes
// resets the stream even if no write is in progress.
func (y *reply) unlimitWrite() {
	if y.r.ProtoMajor > 1 {
		_ = http.NewResponseController(y.w).SetWriteDeadline(time.Time{})
	}
}
