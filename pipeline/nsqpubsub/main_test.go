package nsqpubsub_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"rollcall/integration/fixture"
	"rollcall/services/embednsq"
)

// With one of these words as its first argument, the test binary runs no tests. Instead it runs an nsqd, or requests the restart of
// such an nsqd.
const (
	nsqdVerb    = "nsqd"
	restartVerb = "restart"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[1] == nsqdVerb {
		os.Exit(runNSQD(os.Args[2], os.Args[3], os.Args[4], os.Args[5]))
	}
	if len(os.Args) == 3 && os.Args[1] == restartVerb {
		os.Exit(requestRestart(os.Args[2]))
	}
	goleak.VerifyTestMain(m, append(fixture.LeakOptions(),
		// A goroutine of Watermill's suite never ends, because it receives from a channel that the suite never closes.
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill/pubsub/tests.TestReconnect.func2"))...)
}

// runNSQD runs an nsqd, prints the address of the nsqd, and stops when stdin is closed.
func runNSQD(tcpAddr, lookupd, dataPath, memQueue string) int {
	size, _ := strconv.ParseInt(memQueue, 10, 64)
	cfg := embednsq.NSQDConfig{TCPAddress: tcpAddr, DataPath: dataPath, MemQueueSize: size}
	if lookupd != "" {
		cfg.Lookupd = []string{lookupd}
	}
	n, err := embednsq.StartNSQD(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(n.TCPAddr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := n.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func requestRestart(url string) int {
	resp, err := http.Post(url, "text/plain", nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, resp.Status)
		return 1
	}
	return 0
}
