package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"go.uber.org/goleak"

	"rollcall/services/embednsq"
)

// childEnv makes the test binary, run again, a daemon in a process of its own, which can be stopped, killed and
// measured apart from the test.
const childEnv = "ROLLCALL_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "nsqd" {
		os.Exit(childNSQD())
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	if code == 0 {
		http.DefaultClient.CloseIdleConnections()
		// What nsqd and nsqlookupd, which are servers of HTTP too, keep for 90 s.
		err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// childNSQD tells its addresses on standard output and ends with standard input. Its arguments are where to keep its
// data and the TCP addresses of nsqlookupd.
func childNSQD() int {
	n, err := embednsq.StartNSQD(embednsq.NSQDConfig{
		DataPath:     os.Args[1],
		Lookupd:      os.Args[2:],
		MemQueueSize: 1 << 20,
		Tune:         func(o *nsqd.Options) { o.MaxBodySize = 1 << 30 },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(n.TCPAddr(), n.HTTPAddr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := n.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

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
		p.signal(syscall.SIGTERM)
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

// nsqdProcess is an nsqd that can be stopped with SIGSTOP without stopping the test.
type nsqdProcess struct {
	*process
	tcp, http string
}

func startNSQD(tb testing.TB, lookupd ...string) *nsqdProcess {
	tb.Helper()
	cmd := exec.Command(os.Args[0], append([]string{tb.TempDir()}, lookupd...)...)
	cmd.Env = append(os.Environ(), childEnv+"=nsqd")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(tb, err)
	n := &nsqdProcess{process: startProcess(tb, cmd)}
	if _, err := fmt.Fscan(out, &n.tcp, &n.http); err != nil {
		tb.Fatalf("nsqd did not start: %v", err)
	}
	return n
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
