package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/services/embednsq"
)

// childEnv is the environment variable that makes a test binary run as a child process. Its value is the name of the child. Tests use child
// processes because a test can pause them, kill them, and measure their CPU time.
const childEnv = "TEST_ROLLCALL_CHILD"

// Children maps the name of each child to a function that runs the child and returns its exit code. A child prints one line when it is
// ready, and ends when its standard input ends.
type Children map[string]func() int

// Child returns an entry of Children. The function start starts the child, and returns the line to print and a function that stops the
// child.
func Child[T any](start func(T) (line string, stop func() error, err error)) func() int {
	return func() int { return runChild(start) }
}

func ownChildren() Children {
	return Children{
		"nsqd":       Child(startChildNSQD),
		"nsqlookupd": Child(startChildLookupd),
		"fleet":      Child(startChildFleet),
		"backend":    Child(startChildBackend),
	}
}

// ChildCommand returns the command that runs a child process. It passes the value spec to the child as JSON.
func ChildCommand(tb testing.TB, name string, spec any) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	fixture.Must(tb, err)
	text, err := json.Marshal(spec)
	fixture.Must(tb, err)
	cmd := exec.Command(self, string(text))
	// In the child the race detector reports nothing, because nsqd.Exit has data races, which must not fail the test.
	cmd.Env = append(os.Environ(), childEnv+"="+name, "GORACE=log_path=/dev/null exitcode=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// runChild runs a child until SIGTERM or the end of standard input, and returns its exit code.
func runChild[T any](start func(T) (line string, stop func() error, err error)) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	var spec T
	err := json.Unmarshal([]byte(os.Args[1]), &spec)
	if err == nil {
		var stop func() error
		var line string
		if line, stop, err = start(spec); err == nil {
			fmt.Println(line)
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				cancel()
			}()
			<-ctx.Done()
			err = stop()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// daemonSpec describes a process of nsqd or nsqlookupd.
type daemonSpec struct {
	TCP, HTTP string
	Data      string   // data folder of an nsqd
	Lookupd   []string // TCP addresses of the nsqlookupd at which an nsqd registers
}

func startChildNSQD(spec daemonSpec) (string, func() error, error) {
	n, err := embednsq.StartNSQD(embednsq.NSQDConfig{
		TCPAddress: spec.TCP, HTTPAddress: spec.HTTP, DataPath: spec.Data, Lookupd: spec.Lookupd,
		MemQueueSize: 1 << 20,
		Tune:         func(o *nsqd.Options) { o.MaxBodySize = 1 << 30 },
	})
	if err != nil {
		return "", nil, err
	}
	return "serves", n.Stop, nil
}

func startChildLookupd(spec daemonSpec) (string, func() error, error) {
	l, err := embednsq.StartLookupd(embednsq.LookupdConfig{TCPAddress: spec.TCP, HTTPAddress: spec.HTTP})
	if err != nil {
		return "", nil, err
	}
	return "serves", l.Stop, nil
}
