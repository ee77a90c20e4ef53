package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

func rollcall(tb testing.TB, out io.Writer, args ...string) *process {
	tb.Helper()
	path, err := buildBinary()
	must(tb, err)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return startProcess(tb, cmd)
}
