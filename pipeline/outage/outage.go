// Package outage decides when to log a repeated failure: when it begins, once a minute while it lasts, and when it ends.
package outage

import (
	"sync"
	"time"
)

// Every is the time between two log messages about a failure that lasts.
const Every = time.Minute

// Log records the attempts of one operation. The zero value is ready to use. It is safe for concurrent use.
type Log struct {
	mu     sync.Mutex
	since  time.Time // when the first failure happened; zero if the last attempt succeeded
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

// Succeeded records a successful attempt. If the attempt before it failed, it returns the time of the first failure and true.
func (l *Log) Succeeded() (since time.Time, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since = l.since
	l.since, l.err = time.Time{}, nil
	return since, !since.IsZero()
}

// Current returns the time of the first failure and the last error, or zero and nil if the last attempt succeeded.
func (l *Log) Current() (since time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, l.err
}
