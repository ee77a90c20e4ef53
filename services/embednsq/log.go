package embednsq

import "strings"

// Logf receives a log line of a daemon. The level is DEBUG, INFO, WARNING, ERROR or FATAL. Several goroutines may call Logf at
// the same time.
type Logf func(level, msg string)

// logger implements the logger interface of nsqd and nsqlookupd.
type logger struct{ logf Logf }

func (l logger) Output(_ int, line string) error {
	if l.logf == nil {
		return nil
	}
	level, msg, ok := strings.Cut(line, ": ")
	if !ok {
		level, msg = "INFO", line
	}
	l.logf(level, msg)
	return nil
}
