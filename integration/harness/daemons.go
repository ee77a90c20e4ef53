package harness

import (
	"bufio"
	"bytes"
	"net/http"
	"os/exec"
	"testing"

	"rollcall/integration/fixture"
)

// Daemon is a process of nsqd or nsqlookupd. It has the same addresses and the same data after each start.
type Daemon struct {
	*Process
	TCP  string
	HTTP string
	name string
	spec daemonSpec
}

func newDaemon(tb testing.TB, name string, lookupd ...string) *Daemon {
	tb.Helper()
	spec := daemonSpec{TCP: fixture.FreeAddr(tb), HTTP: fixture.FreeAddr(tb), Data: tb.TempDir(), Lookupd: lookupd}
	d := &Daemon{name: name, spec: spec, TCP: spec.TCP, HTTP: spec.HTTP}
	d.Start(tb)
	return d
}

// StartNSQD starts an nsqd that registers with nsqlookupd at the TCP addresses given, and returns when it is ready.
func StartNSQD(tb testing.TB, lookupd ...string) *Daemon {
	tb.Helper()
	return newDaemon(tb, "nsqd", lookupd...)
}

func startLookupd(tb testing.TB) *Daemon {
	tb.Helper()
	return newDaemon(tb, "nsqlookupd")
}

// Start starts the daemon again, and returns when it is ready.
func (d *Daemon) Start(tb testing.TB) {
	tb.Helper()
	d.Process = StartChild(tb, ChildCommand(tb, d.name, d.spec))
}

// StartChild starts a command that ChildCommand returned, and returns when the child process is ready.
func StartChild(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p, _ := StartReportingChild(tb, cmd)
	return p
}

// StartReportingChild is like StartChild, and also returns the line that the child printed.
func StartReportingChild(tb testing.TB, cmd *exec.Cmd) (*Process, string) {
	tb.Helper()
	out, err := cmd.StdoutPipe()
	fixture.Must(tb, err)
	p := StartProcess(tb, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("%s did not start: %v", cmd, err)
	}
	return p, line
}

// Post sends a POST request and fails the test unless the response has status 200.
func Post(tb testing.TB, url string, body []byte) {
	tb.Helper()
	resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(body))
	fixture.Must(tb, err)
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatal(resp.Status, text.String(), err)
	}
}
