package embednsq

import "strings"

// Logf receives a log line of a daemon; level is DEBUG, INFO, WARNING, ERROR or FATAL. It is called
// from many goroutines at once.
type Logf func(level, msg string)

// logger is what nsqd and nsqlookupd write to.
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
