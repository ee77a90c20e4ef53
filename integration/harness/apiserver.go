package harness

import (
	"os/exec"
	"testing"
	"time"

	"rollcall/integration/fixture"
)

// APIServer is a process of "rollcall apiserver". A test observes it through its API and its log only.
type APIServer struct {
	*Process
	*API
	Log  *Output
	args []string
}

// StartAPIServer starts "rollcall apiserver" with an id and further flags, and returns when its API responds.
func StartAPIServer(tb testing.TB, id string, args ...string) *APIServer {
	tb.Helper()
	a := &APIServer{}
	a.API = NewAPI(tb, fixture.FreeAddr(tb), fixture.FreeAddr(tb), func(lines int) string { return a.Log.Tail(lines) })
	a.args = append([]string{"apiserver", "--id", id, "--api.listen", a.Addr, "--proxy.listen", a.Proxy}, args...)
	a.Start(tb)
	a.Await(tb, 10*time.Second, "the API responds", a.Live)
	return a
}

// Start starts the process again, at the same addresses and with a new Log. It does not wait until the API responds.
func (a *APIServer) Start(tb testing.TB) {
	tb.Helper()
	path, err := buildBinary()
	fixture.Must(tb, err)
	a.Log = NewOutput()
	cmd := exec.Command(path, a.args...)
	cmd.Stdout, cmd.Stderr = a.Log, a.Log
	a.Process = StartProcess(tb, cmd)
}
