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

// Output keeps the lines that a process prints, each with the time of its arrival.
type Output struct {
	// OnLine, if set, is called with each line. It must not call methods of Output.
	OnLine func(string)

	mu    sync.Mutex
	buf   bytes.Buffer
	lines []Line
	more  chan struct{} // closed and replaced at each write
}

// Line is one line of an Output, with its newline.
type Line struct {
	At   time.Time
	Text string
}

// NewOutput returns an empty Output, to be used as the Stdout or Stderr of a command.
func NewOutput() *Output { return &Output{more: make(chan struct{})} }

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	for {
		text, err := o.buf.ReadString('\n')
		if err != nil {
			o.buf.WriteString(text) // the line is incomplete: keep the text for the next call
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

// Await waits for a line that satisfies the given condition, at the given index or later. It returns the first such line and its index. If
// no such line arrives in time, Await fails the test at once.
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
			tb.Fatalf("no %s within %v; the output is:\n%s", what, within, &all)
		}
	}
}

// Text returns all lines so far.
func (o *Output) Text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all strings.Builder
	for _, l := range o.lines {
		all.WriteString(l.Text)
	}
	return all.String()
}

// Tail returns the last n lines.
func (o *Output) Tail(n int) string {
	lines := strings.SplitAfter(o.Text(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
