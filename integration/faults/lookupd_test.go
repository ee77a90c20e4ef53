package faults

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

func TestNSQLookupdIsDown(t *testing.T) {
	t.Parallel()
	b := newBrokerSite(t)
	b.Lookupd.Kill()
	fixture.Sleep(harness.ShortOrLong(20*time.Second, 10*time.Minute))
	b.NoFalseExpiries("nsqlookupd down", b.api)
	b.poller.CheckUninterrupted(t, "nsqlookupd down")
}

// All parts start while nsqlookupd hangs: it accepts connections and does not respond. The parts must work with the nsqd that their
// configuration lists.
func TestStartWhileNSQLookupdHangs(t *testing.T) {
	t.Parallel()
	const limit = 12 * time.Second // 5 s that nsqd waits for nsqlookupd before it creates a topic, a heartbeat interval of 5 s until the mode is normal, and 2 s to spare
	s := harness.NewSite(t, 2)
	s.Lookupd.Signal(syscall.SIGSTOP)
	f := harness.StartFleet(t, harness.FleetSpec{Prefix: "fleet", Servers: fleetSize, Lookupd: []string{s.Lookupd.HTTP}, NSQD: s.NSQDAddrs()})
	begun := time.Now()
	a := harness.StartAPIServer(t, "api-1", "--nsq.lookupd", s.Lookupd.HTTP, "--nsq.nsqd", strings.Join(s.NSQDAddrs(), ","))
	a.Await(t, 30*time.Second, "ready, with every server", func() bool { return a.Ready() && a.Lists(f.IDs...) })
	harness.AtMost(t, "start with a hung nsqlookupd: ready", time.Since(begun), limit)
	fixture.Sleep(harness.SettleTime)
	s.NoFalseExpiries("hung nsqlookupd", a)
}

func TestNSQLookupdListsHungNSQDFirst(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	s := harness.NewSite(t, 2)
	hung, healthy := s.NSQD[0], s.NSQD[1]
	hung.Signal(syscall.SIGSTOP)
	lookupd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var nodes []string
		for _, n := range []*harness.Daemon{hung, healthy} {
			host, port, _ := net.SplitHostPort(n.TCP)
			nodes = append(nodes, fmt.Sprintf(`{"broadcast_address":%q,"tcp_port":%s}`, host, port))
		}
		fmt.Fprintf(w, `{"producers":[%s]}`, strings.Join(nodes, ","))
	}))
	t.Cleanup(lookupd.Close)
	a := harness.StartAPIServer(t, "api-1", "--nsq.lookupd", lookupd.URL)
	took := a.Await(t, 60*time.Second, "connected to the healthy nsqd", func() bool {
		st, err := a.Status()
		return err == nil && st.Node(healthy.TCP).Connected
	})
	harness.AtMost(t, "a hung nsqd is listed first: connected to the other one", took, limit)
}
