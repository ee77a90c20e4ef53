package harness

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

	"rollcall/integration/fixture"
)

// Process is one that the test started and ends.
type Process struct {
	tb   testing.TB
	Cmd  *exec.Cmd
	in   io.Closer
	Done chan struct{} // closed when it has ended
	once sync.Once
}

func StartProcess(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	in, err := cmd.StdinPipe()
	fixture.Must(tb, err)
	EndWithParent(cmd)
	fixture.Must(tb, cmd.Start())
	p := &Process{tb: tb, Cmd: cmd, in: in, Done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // cmd.ProcessState tells
		close(p.Done)
	}()
	tb.Cleanup(p.Kill)
	return p
}

// Terminate asks the process to end and waits for it.
func (p *Process) Terminate() {
	p.once.Do(func() {
		_ = p.in.Close()
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} { // it may be gone before the second
			if err := p.Cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				p.tb.Errorf("signal %v: %v", s, err)
			}
		}
		select {
		case <-p.Done:
		case <-time.After(15 * time.Second):
			p.tb.Errorf("%s did not end within 15 s of SIGTERM", p.Cmd)
			_ = p.Cmd.Process.Kill()
			<-p.Done
		}
	})
}

// Kill is kill -9.
func (p *Process) Kill() {
	p.once.Do(func() {
		_ = p.Cmd.Process.Kill()
		<-p.Done
	})
}

func (p *Process) Signal(s syscall.Signal) {
	p.tb.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
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

func StartRollcall(tb testing.TB, out io.Writer, args ...string) *Process {
	tb.Helper()
	path, err := buildBinary()
	fixture.Must(tb, err)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return StartProcess(tb, cmd)
}
