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

// childEnv makes the test binary, run again, one of the children: a daemon in a process of its own, which can be
// stopped, killed and measured apart from the test.
const childEnv = "TEST_ROLLCALL_CHILD"

// Children are the daemons that the test binary can run as, by name. Each prints a line when it serves, and ends when its standard
// input does.
type Children map[string]func() int

// Child makes a child of a function that starts a daemon. The function returns the line to print and what stops the daemon.
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

// ChildCommand is this test binary as the child name; its instruction goes along as JSON.
func ChildCommand(tb testing.TB, name string, instruction any) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	fixture.Must(tb, err)
	text, err := json.Marshal(instruction)
	fixture.Must(tb, err)
	cmd := exec.Command(self, string(text))
	// A daemon's own races, which are many in nsqd's Exit, are not those of the test.
	cmd.Env = append(os.Environ(), childEnv+"="+name, "GORACE=log_path=/dev/null exitcode=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// RunChild runs a child from its start until SIGTERM or the end of standard input.
func runChild[T any](start func(T) (hello string, stop func() error, err error)) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	var instruction T
	err := json.Unmarshal([]byte(os.Args[1]), &instruction)
	if err == nil {
		var stop func() error
		var hello string
		if hello, stop, err = start(instruction); err == nil {
			fmt.Println(hello)
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

// daemonSpec is an nsqd or nsqlookupd.
type daemonSpec struct {
	TCP, HTTP string
	Data      string
	Lookupd   []string
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
