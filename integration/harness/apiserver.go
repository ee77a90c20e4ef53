package harness

import (
	"os/exec"
	"testing"
	"time"

	"rollcall/integration/fixture"
)

// APIServer is rollcall apiserver, as a user starts it. What the test knows of it, it asks over HTTP or reads in its log.
type APIServer struct {
	*Process
	*API
	args []string
	Log  *Output
}

// StartAPIServer returns when the API answers.
func StartAPIServer(tb testing.TB, id string, args ...string) *APIServer {
	tb.Helper()
	a := &APIServer{}
	a.API = NewAPI(tb, fixture.FreeAddr(tb), fixture.FreeAddr(tb), func(lines int) string { return a.Log.Tail(lines) })
	a.args = append([]string{"apiserver", "--id", id, "--api.listen", a.Addr, "--proxy.listen", a.Proxy}, args...)
	a.Start(tb)
	a.Await(tb, 10*time.Second, "the API answers", a.Live)
	return a
}

func (a *APIServer) Start(tb testing.TB) {
	tb.Helper()
	path, err := buildBinary()
	fixture.Must(tb, err)
	a.Log = NewOutput()
	cmd := exec.Command(path, a.args...)
	cmd.Stdout, cmd.Stderr = a.Log, a.Log
	a.Process = StartProcess(tb, cmd)
}
