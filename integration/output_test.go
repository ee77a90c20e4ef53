package integration

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// output collects what a process prints, line by line, with when each line came.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	lines []line
	more  chan struct{} // closed and renewed with each line
	tell  func(string)  // of each line, if given; it must not ask the output
}

type line struct {
	at   time.Time
	text string
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	for {
		text, err := o.buf.ReadString('\n')
		if err != nil {
			o.buf.WriteString(text) // an unfinished line
			break
		}
		o.lines = append(o.lines, line{time.Now(), text})
		if o.tell != nil {
			o.tell(text)
		}
	}
	close(o.more)
	o.more = make(chan struct{})
	return len(p), nil
}

// await returns the first line at or after the from-th that satisfies is, and its number.
func (o *output) await(tb testing.TB, within time.Duration, what string, from int, is func(string) bool) (line, int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		o.mu.Lock()
		lines, more := o.lines, o.more
		o.mu.Unlock()
		for ; from < len(lines); from++ {
			if is(lines[from].text) {
				return lines[from], from
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			var all bytes.Buffer
			for _, l := range lines {
				fmt.Fprintf(&all, "%s %s", l.at.Format("15:04:05.000"), l.text)
			}
			tb.Fatalf("no %s within %v; there was:\n%s", what, within, &all)
		}
	}
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all strings.Builder
	for _, l := range o.lines {
		all.WriteString(l.text)
	}
	return all.String()
}

// tail is the last lines.
func (o *output) tail(n int) string {
	lines := strings.SplitAfter(o.text(), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
