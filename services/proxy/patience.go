package proxy

import (
	"net/http"
	"time"
)

// A client that reads slowly and steadily seems to pause for a long time: its kernel buffers megabytes, and opens the window only when a large
// part of them is read. curl with a rate limit reads everything and then sleeps. So a client that has read at steadyRate on average may
// pause longer than the stall timeout.
const (
	steadyRate  = 16 << 10 // bytes per second
	mostPatient = 10       // limit of the longer pause, in stall timeouts
	maxTaken    = 1 << 33  // bytes; the result must fit into a time.Duration
)

// patience returns how long the next write to a client may take. taken is the number of bytes written so far, and waited the total time of
// these writes.
func patience(taken int64, waited, stall time.Duration) time.Duration {
	earned := time.Duration(taken)*time.Second/steadyRate - waited
	return stall + max(0, min(earned, mostPatient*stall))
}

// limitWrite sets the deadline of the next write, and returns the current time.
func (y *reply) limitWrite() time.Time {
	now := time.Now()
	_ = http.NewResponseController(y.w).SetWriteDeadline(now.Add(patience(y.taken, y.waited, y.stall)))
	return now
}

// renewWrite sets the deadline for a header in HTTP/1.1. It does nothing during the first stall timeout of a request, because the deadline that
// http.Server has set is two stall timeouts after the start of the request.
func (y *reply) renewWrite() {
	if y.r.ProtoMajor == 1 && time.Since(y.begun) > y.stall {
		y.limitWrite()
	}
}

// unlimitWrite removes the deadline while the server is waited for. In HTTP/2 a deadline resets the stream when it passes, even without a
// write.
func (y *reply) unlimitWrite() {
	if y.r.ProtoMajor > 1 {
		_ = http.NewResponseController(y.w).SetWriteDeadline(time.Time{})
	}
}
