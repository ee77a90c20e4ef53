package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/services/embednsq"
)

func TestAPIServerAndDataServerWorkTogether(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	api := start(t, apiserverArgs(nsqd.TCPAddr())...)
	addr := address(t, &api.stderr)
	data := start(t, "dataserver", "--nsq.lookupd=", "--nsq.nsqd", nsqd.TCPAddr(), "--dataserver.listen", "127.0.0.1:0", "--dataserver.id", "d-1")
	fixture.Eventually(t, 10*time.Second, "API server ready", func() bool { return call(t, "healthcheck", "--api", addr).code == 0 })
	fixture.Eventually(t, 10*time.Second, "data server listed", func() bool { return strings.Contains(call(t, "ls", "--api", addr).stdout, "d-1") })
	if got := call(t, "healthcheck", "http://"+address(t, &data.stderr)+"/healthz"); got.code != 0 {
		t.Errorf("got %+v", got)
	}
	if got := call(t, "get", "data/d-1", "--api", addr); got.code != 0 || !strings.HasPrefix(got.stdout, "data/d-1  127.0.0.1:") {
		t.Errorf("got %+v", got)
	}
	if got := data.stop(); got.code != 0 || got.stdout != "" {
		t.Errorf("data server: %+v", got)
	}
	fixture.Eventually(t, 5*time.Second, "data server gone", func() bool {
		got := call(t, "get", "data/d-1", "--api", addr)
		return got.code == 1 && strings.Contains(got.stderr, "rollcall.server.left (leave)")
	})
	if got := api.stop(); got.code != 0 || got.stdout != "" {
		t.Errorf("API server: %+v", got)
	}
}

// The demo runs in a process of its own, because connections between nsqd and nsqlookupd outlive the demo.
func TestSignalStopsDemo(t *testing.T) {
	p := mustExec(t, "demo", "--api", "127.0.0.1:0", "--proxy", "127.0.0.1:0", "--lookupd", "127.0.0.1:0", "--lookupd-tcp", "127.0.0.1:0", "--nsqd-tcp", "127.0.0.1:0",
		"--dataserver", "127.0.0.1:0", "--servers", "1", "--nsqd", "1")
	p.stdout.await(t, "registered  data/demo-1")
	p.signal(os.Interrupt)
	if state := p.wait(); state.ExitCode() != 0 || !strings.HasPrefix(p.stdout.String(), "rollcall ") || p.stderr.String() != "" {
		t.Errorf("got %v, %s and %s", state, &p.stdout, &p.stderr)
	}
}

func TestFirstSignalStopsInOrder(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			p := mustExec(t, apiserverArgs(fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())...)
			address(t, &p.stderr)
			p.signal(sig)
			if state := p.wait(); state.ExitCode() != 0 {
				t.Errorf("got %v, want 0; %s", state, &p.stderr)
			}
			if !strings.Contains(p.stderr.String(), "API server has stopped") {
				t.Errorf("got %s, want the log of a stop", &p.stderr)
			}
		})
	}
}

func TestHangupIsLoggedAndIgnored(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr()
	for name, args := range map[string][]string{
		"apiserver":  apiserverArgs(nsqd),
		"dataserver": {"dataserver", "--nsq.lookupd=", "--nsq.nsqd", nsqd, "--dataserver.listen", "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustExec(t, args...)
			address(t, &p.stderr)
			for n := 1; n <= 2; n++ {
				p.signal(syscall.SIGHUP)
				fixture.Eventually(t, 5*time.Second, "the log of a SIGHUP", func() bool { return strings.Count(p.stderr.String(), "SIGHUP") == n })
			}
			p.signal(syscall.SIGTERM)
			if state := p.wait(); state.ExitCode() != 0 {
				t.Errorf("got %v, want 0 at SIGTERM; %s", state, &p.stderr)
			}
		})
	}
}

// An interactive command stops in order when its terminal ends.
func TestHangupEndsWatch(t *testing.T) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // if this test process ignored SIGHUP, the command would inherit that and ignore it too
	defer signal.Stop(hangups)
	p := mustExec(t, "watch", "--nsq.lookupd=", "--nsq.nsqd", "127.0.0.1:1")
	p.stderr.await(t, "not connected to any nsqd yet")
	p.signal(syscall.SIGHUP)
	if state := p.wait(); state.ExitCode() != 0 {
		t.Errorf("got %v, want 0; %s", state, &p.stderr)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := mustExec(t, apiserverArgs(fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())...)
	addr := address(t, &p.stderr)
	mustKeepBusy(t, addr)
	p.signal(syscall.SIGTERM)
	fixture.Eventually(t, 5*time.Second, "stopping", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	// The process must end within 3 s. If the second signal had no effect, the process would end only when the server cuts off the request,
	// after 5 s. The test repeats the signal, because it has no effect while the process still handles the first signal.
	fixture.Eventually(t, 3*time.Second, "end", func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // the error is ignored, because the process may have ended
		return p.hasEnded()
	})
	if status := p.wait().Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("got status %v, want the signal's own effect", status)
	}
}

// mustKeepBusy starts a request that never completes. A server that stops cuts it off after five seconds.
func mustKeepBusy(t testing.TB, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v, want 100: the server awaits the body", line, err)
	}
}

func apiserverArgs(nsqd string) []string {
	return []string{
		"apiserver", "--nsq.lookupd=", "--nsq.nsqd", nsqd, "--api.listen", "127.0.0.1:0", "--proxy.listen", "127.0.0.1:0",
		"--registry.interval", "200ms", "--registry.ttl", "400ms", "--registry.tick", "50ms",
	}
}

// address returns the address in the log line of a server that is listening.
func address(t testing.TB, log *written) string {
	t.Helper()
	log.await(t, " server is listening\"")
	for line := range strings.Lines(log.String()) {
		var entry struct{ Msg, Address string }
		if err := json.Unmarshal([]byte(line), &entry); err == nil && strings.HasSuffix(entry.Msg, " server is listening") {
			return entry.Address
		}
	}
	t.Fatalf("no address in %s", log)
	return ""
}

// process is the rollcall command in its own process.
type process struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdout, stderr written
	ended          chan struct{}
}

func mustExec(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), programEnv+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // its error is the exit code, which ProcessState has too
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (p *process) wait() *os.ProcessState {
	p.t.Helper()
	fixture.Eventually(p.t, 10*time.Second, "end of the process", p.hasEnded)
	return p.cmd.ProcessState
}
