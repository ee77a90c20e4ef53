// Package outage decides when a failure that repeats is logged: when it begins, once a minute while it lasts, and when it
// ends.
package outage

import (
	"sync"
	"time"
)

// Every is the time between two log lines about a failure that lasts.
const Every = time.Minute

// Log follows the attempts at one operation. The zero value is ready to use. It is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	since  time.Time // zero: the last attempt succeeded
	logged time.Time
	err    error
}

// Failed records a failed attempt and reports whether to log it.
func (l *Log) Failed(now time.Time, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	if l.since.IsZero() {
		l.since = now
	} else if now.Sub(l.logged) < Every {
		return false
	}
	l.logged = now
	return true
}

// Succeeded records a successful attempt. If attempts before it failed, it reports since when they did, and true.
func (l *Log) Succeeded() (since time.Time, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since = l.since
	l.since, l.err = time.Time{}, nil
	return since, !since.IsZero()
}

// Current returns since when attempts fail and why the last one did, or zero and nil.
func (l *Log) Current() (since time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, l.err
}
