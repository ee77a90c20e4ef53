package stack

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

func TestDemoListsServersWithinThreeSeconds(t *testing.T) {
	out := harness.NewOutput()
	demo := harness.StartRollcall(t, out, "demo", "--api=127.0.0.1:0", "--proxy=127.0.0.1:0", "--lookupd=127.0.0.1:0", "--lookupd-tcp=127.0.0.1:0", "--nsqd-tcp=127.0.0.1:0", "--dataserver=127.0.0.1:0")
	banner, _ := out.Await(t, 10*time.Second, "address of the API", 0, func(s string) bool { return strings.Contains(s, "http://") })
	api := banner.Text[strings.Index(banner.Text, "http://"):]
	fixture.Eventually(t, 3*time.Second, "rollcall ls lists three servers", func() bool {
		list := harness.NewOutput()
		ls := harness.StartRollcall(t, list, "ls", "--api", strings.TrimSpace(api))
		<-ls.Done
		return strings.Count(list.Text(), "alive") == 3
	})
	t.Logf("listed %v after the banner", time.Since(banner.At))
	signaled := time.Now()
	demo.Terminate()
	t.Logf("ended %v after SIGTERM", time.Since(signaled))
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(strings.TrimSpace(api), "http://"), time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the API port accepts connections after the end: %v", err)
	}
}
