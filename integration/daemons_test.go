package integration

import (
	"bufio"
	"bytes"
	"net/http"
	"os/exec"
	"testing"
)

// daemon is an nsqd or nsqlookupd in a process of its own. It has the same addresses, and the same data, each time it
// is started.
type daemon struct {
	*process
	name string
	spec daemonSpec
	tcp  string
	http string
}

func newDaemon(tb testing.TB, name string, lookupd ...string) *daemon {
	tb.Helper()
	spec := daemonSpec{TCP: freeAddr(tb), HTTP: freeAddr(tb), Data: tb.TempDir(), Lookupd: lookupd}
	d := &daemon{name: name, spec: spec, tcp: spec.TCP, http: spec.HTTP}
	d.start(tb)
	return d
}

func startNSQD(tb testing.TB, lookupd ...string) *daemon {
	tb.Helper()
	return newDaemon(tb, "nsqd", lookupd...)
}

func startLookupd(tb testing.TB) *daemon {
	tb.Helper()
	return newDaemon(tb, "nsqlookupd")
}

// start returns when the daemon serves.
func (d *daemon) start(tb testing.TB) {
	tb.Helper()
	d.process = startChild(tb, childCommand(tb, d.name, d.spec))
}

// startChild returns when the child has said that it serves.
func startChild(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p, _ := hearChild(tb, cmd)
	return p
}

// hearChild returns what the child says when its start is done.
func hearChild(tb testing.TB, cmd *exec.Cmd) (*process, string) {
	tb.Helper()
	out, err := cmd.StdoutPipe()
	must(tb, err)
	p := startProcess(tb, cmd)
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("%s did not start: %v", cmd, err)
	}
	return p, said
}

// post is what curl does.
func post(tb testing.TB, url string, body []byte) {
	tb.Helper()
	resp, err := http.Post(url, "application/octet-stream", bytes.NewReader(body))
	must(tb, err)
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatal(resp.Status, answer.String(), err)
	}
}
