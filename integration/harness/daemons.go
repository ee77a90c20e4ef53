package harness

import (
	"bufio"
	"bytes"
	"net/http"
	"os/exec"
	"testing"

	"rollcall/integration/fixture"
)

// Daemon is an nsqd or nsqlookupd in a process of its own. It has the same addresses, and the same data, each time it
// is started.
type Daemon struct {
	*Process
	name string
	spec daemonSpec
	TCP  string
	HTTP string
}

func newDaemon(tb testing.TB, name string, lookupd ...string) *Daemon {
	tb.Helper()
	spec := daemonSpec{TCP: fixture.FreeAddr(tb), HTTP: fixture.FreeAddr(tb), Data: tb.TempDir(), Lookupd: lookupd}
	d := &Daemon{name: name, spec: spec, TCP: spec.TCP, HTTP: spec.HTTP}
	d.Start(tb)
	return d
}

func StartNSQD(tb testing.TB, lookupd ...string) *Daemon {
	tb.Helper()
	return newDaemon(tb, "nsqd", lookupd...)
}

func startLookupd(tb testing.TB) *Daemon {
	tb.Helper()
	return newDaemon(tb, "nsqlookupd")
}

// Start returns when the daemon serves.
func (d *Daemon) Start(tb testing.TB) {
	tb.Helper()
	d.Process = StartChild(tb, ChildCommand(tb, d.name, d.spec))
}

// StartChild returns when the child has said that it serves.
func StartChild(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p, _ := StartReportingChild(tb, cmd)
	return p
}

// StartReportingChild returns what the child says when its start is done.
func StartReportingChild(tb testing.TB, cmd *exec.Cmd) (*Process, string) {
	tb.Helper()
	out, err := cmd.StdoutPipe()
	fixture.Must(tb, err)
	p := StartProcess(tb, cmd)
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("%s did not start: %v", cmd, err)
	}
	return p, said
}

// Post is what curl does.
func Post(tb testing.TB, url string, body []byte) {
	tb.Helper()
	resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(body))
	fixture.Must(tb, err)
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatal(resp.Status, answer.String(), err)
	}
}
