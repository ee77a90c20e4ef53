package harness

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Output collects what a process prints, line by line, with when each line came.
type Output struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	lines  []Line
	more   chan struct{} // closed and renewed with each line
	OnLine func(string)  // of each line, if given; it must not ask the output
}

type Line struct {
	At   time.Time
	Text string
}

func NewOutput() *Output { return &Output{more: make(chan struct{})} }

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	for {
		text, err := o.buf.ReadString('\n')
		if err != nil {
			o.buf.WriteString(text) // an unfinished line
			break
		}
		o.lines = append(o.lines, Line{time.Now(), text})
		if o.OnLine != nil {
			o.OnLine(text)
		}
	}
	close(o.more)
	o.more = make(chan struct{})
	return len(p), nil
}

// Await returns the first line at or after the from-th that satisfies is, and its number.
func (o *Output) Await(tb testing.TB, within time.Duration, what string, from int, is func(string) bool) (Line, int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		o.mu.Lock()
		lines, more := o.lines, o.more
		o.mu.Unlock()
		for ; from < len(lines); from++ {
			if is(lines[from].Text) {
				return lines[from], from
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			var all bytes.Buffer
			for _, l := range lines {
				fmt.Fprintf(&all, "%s %s", l.At.Format("15:04:05.000"), l.Text)
			}
			tb.Fatalf("no %s within %v; there was:\n%s", what, within, &all)
		}
	}
}

func (o *Output) Text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all strings.Builder
	for _, l := range o.lines {
		all.WriteString(l.Text)
	}
	return all.String()
}

// Tail is the last lines.
func (o *Output) Tail(n int) string {
	lines := strings.SplitAfter(o.Text(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
