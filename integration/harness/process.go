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

// Process is a process that the test started. It is killed at the end of the test.
type Process struct {
	Cmd  *exec.Cmd
	Done chan struct{} // closed when the process has ended
	tb   testing.TB
	in   io.Closer // standard input
	once sync.Once // used by the first call of Terminate or Kill
}

// StartProcess starts a command.
func StartProcess(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	in, err := cmd.StdinPipe()
	fixture.Must(tb, err)
	EndWithParent(cmd)
	fixture.Must(tb, cmd.Start())
	p := &Process{tb: tb, Cmd: cmd, in: in, Done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // cmd.ProcessState keeps the result
		close(p.Done)
	}()
	tb.Cleanup(p.Kill)
	return p
}

// Terminate closes standard input, sends SIGTERM and waits until the process has ended. It also sends SIGCONT, so that a paused process can
// end.
func (p *Process) Terminate() {
	p.once.Do(func() {
		_ = p.in.Close()
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} { // SIGCONT fails if SIGTERM has ended the process already
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

// Kill sends SIGKILL and waits until the process has ended.
func (p *Process) Kill() {
	p.once.Do(func() {
		_ = p.Cmd.Process.Kill()
		<-p.Done
	})
}

// Signal sends a signal and does not wait.
func (p *Process) Signal(s syscall.Signal) {
	p.tb.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
		p.tb.Errorf("signal %v: %v", s, err)
	}
}

// built is the rollcall binary. The first test that needs the binary builds it; Main removes the binary.
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

// StartRollcall starts the rollcall command. Its standard output goes to out.
func StartRollcall(tb testing.TB, out io.Writer, args ...string) *Process {
	tb.Helper()
	path, err := buildBinary()
	fixture.Must(tb, err)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return StartProcess(tb, cmd)
}
