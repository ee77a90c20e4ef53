package integration

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one that the test started and ends.
type process struct {
	tb   testing.TB
	cmd  *exec.Cmd
	in   io.Closer
	done chan struct{} // closed when it has ended
	once sync.Once
}

func startProcess(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	in, err := cmd.StdinPipe()
	must(tb, err)
	endWithParent(cmd)
	must(tb, cmd.Start())
	p := &process{tb: tb, cmd: cmd, in: in, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // cmd.ProcessState tells
		close(p.done)
	}()
	tb.Cleanup(p.kill)
	return p
}

// end asks the process to end and waits for it.
func (p *process) end() {
	p.once.Do(func() {
		_ = p.in.Close()
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} { // it may be gone before the second
			if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				p.tb.Errorf("signal %v: %v", s, err)
			}
		}
		select {
		case <-p.done:
		case <-time.After(15 * time.Second):
			p.tb.Errorf("%s did not end within 15 s of SIGTERM", p.cmd)
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	})
}

// kill is kill -9.
func (p *process) kill() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
}

func (p *process) signal(s syscall.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.tb.Errorf("signal %v: %v", s, err)
	}
}

// built is rollcall, built once, as a user does it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func buildBinary() (string, error) {
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "rollcall-test-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", built.dir, "rollcall/services/rollcall").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w: %s", err, out)
		}
	})
	return filepath.Join(built.dir, "rollcall"), built.err
}

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

func rollcall(tb testing.TB, out io.Writer, args ...string) *process {
	tb.Helper()
	path, err := buildBinary()
	must(tb, err)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return startProcess(tb, cmd)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// pass waits.
func pass(d time.Duration) { <-time.After(d) }

// row tells the figure of a row of the fault matrix, and fails if it is beyond its limit.
func row[T cmp.Ordered](tb testing.TB, what string, figure, limit T) {
	tb.Helper()
	tb.Logf("%s: %v (at most %v)", what, figure, limit)
	if figure > limit {
		tb.Errorf("%s: %v, want at most %v", what, figure, limit)
	}
}

// rowOf is row for many durations, of which so many of a hundred must be within the limit.
func rowOf(tb testing.TB, what string, figures []time.Duration, percent int, limit time.Duration) {
	tb.Helper()
	if len(figures) == 0 {
		tb.Fatalf("%s: nothing was measured", what)
	}
	f := slices.Sorted(slices.Values(figures))
	at := func(percent int) time.Duration {
		return f[min(len(f)-1, len(f)*percent/100)].Round(100 * time.Microsecond)
	}
	row(tb, fmt.Sprintf("%s: %d of them, p50 %v, worst %v, p%d", what, len(f), at(50), at(100), percent), at(percent), limit)
}

// eventually asks every few milliseconds until the condition holds.
func eventually(tb testing.TB, within time.Duration, what string, holds func() bool) {
	tb.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	ask := time.NewTicker(5 * time.Millisecond)
	defer ask.Stop()
	for !holds() {
		select {
		case <-ask.C:
		case <-deadline.C:
			tb.Fatalf("not within %v: %s", within, what)
		}
	}
}
