package nsqpubsub_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
)

// nsqdProcess is an nsqd in another process, which can be stopped, started again on the same port with the same data, and paused. It
// does not run in the test process, because nsqd's Exit has a data race with its clients, which the race detector would report.
type nsqdProcess struct {
	lookupd  string
	data     string
	memQueue string

	mu    sync.Mutex
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

func mustNSQDProcess(t testing.TB, lookupd string) *nsqdProcess {
	t.Helper()
	return mustNSQDProcessWithQueue(t, lookupd, 10_000)
}

func mustNSQDProcessWithQueue(t testing.TB, lookupd string, memQueue int) *nsqdProcess {
	t.Helper()
	p := &nsqdProcess{addr: "127.0.0.1:0", lookupd: lookupd, data: t.TempDir(), memQueue: strconv.Itoa(memQueue)}
	p.mustStart(t)
	t.Cleanup(func() { _ = p.stop() })
	return p
}

func (p *nsqdProcess) TCPAddr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

func (p *nsqdProcess) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, nsqdVerb, p.addr, p.lookupd, p.data, p.memQueue)
	cmd.Env = append(os.Environ(), "GORACE=log_path=/dev/null exitcode=0")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return errors.Join(err, stdin.Close(), cmd.Wait())
	}
	p.addr, p.cmd, p.stdin = strings.TrimSpace(addr), cmd, stdin
	return nil
}

func (p *nsqdProcess) stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	cmd := p.cmd
	p.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGCONT)
	return errors.Join(p.stdin.Close(), cmd.Wait())
}

func (p *nsqdProcess) restart() error { return errors.Join(p.stop(), p.start()) }

func (p *nsqdProcess) mustStart(t testing.TB) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
}

func (p *nsqdProcess) mustStop(t testing.TB) {
	t.Helper()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

// mustHang makes nsqd accept connections and never respond, as on a machine whose disk hangs.
func (p *nsqdProcess) mustHang(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	pid := p.cmd.Process.Pid
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	fixture.Eventually(t, 2*time.Second, "every thread of nsqd is stopped", func() bool { return stopped(t, pid) })
}

// stopped reports whether every thread of the process is stopped. Until then, a thread can respond. Where /proc does not list threads, it
// is true.
func stopped(t testing.TB, pid int) bool {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if _, state, _ := strings.Cut(string(text), ") "); err == nil && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

func (p *nsqdProcess) mustResume(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// restartCommand returns a command line that restarts nsqd, for Watermill's suite.
func (p *nsqdProcess) restartCommand(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := p.restart(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	return []string{self, restartVerb, server.URL}
}
