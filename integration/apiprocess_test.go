package integration

import (
	"os/exec"
	"testing"
	"time"
)

// apiProcess is rollcall apiserver, as a user starts it. What the test knows of it, it asks over HTTP or reads in its log.
type apiProcess struct {
	*process
	*api
	args []string
	log  *output
}

// startAPIProcess returns when the API answers.
func startAPIProcess(tb testing.TB, id string, args ...string) *apiProcess {
	tb.Helper()
	a := &apiProcess{}
	a.api = newAPI(tb, freeAddr(tb), freeAddr(tb), func(lines int) string { return a.log.tail(lines) })
	a.args = append([]string{"apiserver", "--id", id, "--api.listen", a.addr, "--proxy.listen", a.proxy}, args...)
	a.start(tb)
	a.await(tb, 10*time.Second, "the API answers", a.live)
	return a
}

func (a *apiProcess) start(tb testing.TB) {
	tb.Helper()
	path, err := buildBinary()
	must(tb, err)
	a.log = newOutput()
	cmd := exec.Command(path, a.args...)
	cmd.Stdout, cmd.Stderr = a.log, a.log
	a.process = startProcess(tb, cmd)
}
