package integration

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestNSQLookupdIsDown(t *testing.T) {
	t.Parallel()
	b := newBrokers(t)
	b.lookupd.kill()
	pass(lasting(20*time.Second, 10*time.Minute))
	b.noFalse("nsqlookupd down", b.api)
	b.look.served(t, "nsqlookupd down")
}

// TestStartWhileNSQLookupdHangs starts everything while nsqlookupd takes connections and answers nothing. The static
// list is enough.
func TestStartWhileNSQLookupdHangs(t *testing.T) {
	t.Parallel()
	const limit = 12 * time.Second // nsqd itself waits 5 s for nsqlookupd before it opens a new topic; then an interval is heard
	s := newSite(t, 2)
	s.lookupd.signal(syscall.SIGSTOP)
	f := startFleet(t, fleetSpec{Prefix: "fleet", Servers: fleetSize, Lookupd: []string{s.lookupd.http}, NSQD: s.tcp()})
	begun := time.Now()
	a := startAPIProcess(t, "api-1", "--nsq.lookupd", s.lookupd.http, "--nsq.nsqd", strings.Join(s.tcp(), ","))
	a.await(t, 30*time.Second, "ready, with every server", func() bool { return a.ready() && a.lists(f.ids...) })
	row(t, "start with a hung nsqlookupd: ready", time.Since(begun), limit)
	pass(aftermath)
	s.noFalse("hung nsqlookupd", a)
}

func TestNSQLookupdNamesAHungNSQDFirst(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	s := newSite(t, 2)
	hung, healthy := s.nsqd[0], s.nsqd[1]
	hung.signal(syscall.SIGSTOP)
	lookupd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var nodes []string
		for _, n := range []*daemon{hung, healthy} {
			host, port, _ := net.SplitHostPort(n.tcp)
			nodes = append(nodes, fmt.Sprintf(`{"broadcast_address":%q,"tcp_port":%s}`, host, port))
		}
		fmt.Fprintf(w, `{"producers":[%s]}`, strings.Join(nodes, ","))
	}))
	t.Cleanup(lookupd.Close)
	a := startAPIProcess(t, "api-1", "--nsq.lookupd", lookupd.URL)
	took := a.await(t, 60*time.Second, "the healthy one is connected", func() bool {
		st, err := a.status()
		return err == nil && st.node(healthy.tcp).Connected
	})
	row(t, "a hung nsqd is named first: the other one is connected", took, limit)
}
