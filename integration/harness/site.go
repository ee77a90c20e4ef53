package harness

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"rollcall/integration/fixture"
)

// Site is an installation in which every part is a process of its own.
type Site struct {
	Lookupd *Daemon
	NSQD    []*Daemon
	Events  *EventLog
	Servers []string // ids of all data servers that were started
	tb      testing.TB
}

// NewSite starts an nsqlookupd, a number of nsqd, and an event log that subscribes to them.
func NewSite(tb testing.TB, nsqd int) *Site {
	tb.Helper()
	s := &Site{tb: tb, Lookupd: startLookupd(tb)}
	for range nsqd {
		s.NSQD = append(s.NSQD, StartNSQD(tb, s.Lookupd.TCP))
	}
	s.Events = startEventLog(tb, s.NSQDAddrs()...)
	return s
}

// NSQDAddrs returns the TCP addresses of the nsqd.
func (s *Site) NSQDAddrs() []string {
	var addrs []string
	for _, n := range s.NSQD {
		addrs = append(addrs, n.TCP)
	}
	return addrs
}

// StartAPI starts an API server that finds the nsqd through nsqlookupd, and returns when its API responds.
func (s *Site) StartAPI(id string, args ...string) *APIServer {
	s.tb.Helper()
	return StartAPIServer(s.tb, id, append([]string{"--nsq.lookupd", s.Lookupd.HTTP}, args...)...)
}

// StartFleet starts a number of data servers in one process.
func (s *Site) StartFleet(prefix string, servers int) *Fleet {
	s.tb.Helper()
	f := StartFleet(s.tb, FleetSpec{Prefix: prefix, Servers: servers, Spread: 2 * time.Second, Lookupd: []string{s.Lookupd.HTTP}})
	s.Servers = append(s.Servers, f.IDs...)
	return f
}

// StartDataServer starts "rollcall dataserver" with an id, an address and further flags.
func (s *Site) StartDataServer(id, listen string, args ...string) *Process {
	s.tb.Helper()
	path, err := buildBinary()
	fixture.Must(s.tb, err)
	cmd := exec.Command(path, append([]string{"dataserver", "--log.level=error", "--nsq.lookupd", s.Lookupd.HTTP,
		"--dataserver.id", id, "--dataserver.listen", listen}, args...)...)
	cmd.Stderr = os.Stderr
	if !slices.Contains(s.Servers, id) {
		s.Servers = append(s.Servers, id)
	}
	return StartProcess(s.tb, cmd)
}

// StartDataServers starts n processes of "rollcall dataserver" on free ports.
func (s *Site) StartDataServers(prefix string, n int) (ids []string, servers []*Process) {
	s.tb.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%02d", prefix, i))
		servers = append(servers, s.StartDataServer(ids[i], "127.0.0.1:0"))
	}
	return ids, servers
}

// AwaitNormal waits until the mode of the API server is normal and its list has every data server. A test that causes a fault earlier
// proves nothing.
func (s *Site) AwaitNormal(a *APIServer) {
	s.tb.Helper()
	a.AwaitNormal(s.tb, 40*time.Second, s.Servers...)
}

// NoFalseExpiries fails the test if an API server expired a live server.
func (s *Site) NoFalseExpiries(what string, apis ...*APIServer) {
	s.tb.Helper()
	var clients []*API
	for _, a := range apis {
		clients = append(clients, a.API)
	}
	s.Events.NoFalseExpiries(s.tb, what, clients...)
}

// SettleTime is the time to wait after a fault. In this time every lease that the fault affected is renewed or expires.
const SettleTime = 12 * time.Second
