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

// Site is a cluster as it stands in a machine room: each part a process of its own.
type Site struct {
	tb      testing.TB
	Lookupd *Daemon
	NSQD    []*Daemon
	Events  *EventLog
	Servers []string // ids of all data servers that were started
}

// NewSite is nsqlookupd, so many nsqd, and a witness that hears them.
func NewSite(tb testing.TB, nsqd int) *Site {
	tb.Helper()
	s := &Site{tb: tb, Lookupd: startLookupd(tb)}
	for range nsqd {
		s.NSQD = append(s.NSQD, StartNSQD(tb, s.Lookupd.TCP))
	}
	s.Events = startEventLog(tb, s.NSQDAddrs()...)
	return s
}

// NSQDAddrs are the addresses of the nsqd.
func (s *Site) NSQDAddrs() []string {
	var addrs []string
	for _, n := range s.NSQD {
		addrs = append(addrs, n.TCP)
	}
	return addrs
}

// StartAPI starts an API server that finds the nsqd through nsqlookupd.
func (s *Site) StartAPI(id string, args ...string) *APIServer {
	s.tb.Helper()
	return StartAPIServer(s.tb, id, append([]string{"--nsq.lookupd", s.Lookupd.HTTP}, args...)...)
}

// StartFleet starts so many data servers in one process.
func (s *Site) StartFleet(prefix string, servers int) *fleet {
	s.tb.Helper()
	f := StartFleet(s.tb, FleetSpec{Prefix: prefix, Servers: servers, Spread: 2 * time.Second, Lookupd: []string{s.Lookupd.HTTP}})
	s.Servers = append(s.Servers, f.IDs...)
	return f
}

// StartDataServer starts one data server, the command that a user has.
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

// StartDataServers starts so many, on any ports.
func (s *Site) StartDataServers(prefix string, n int) (ids []string, servers []*Process) {
	s.tb.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%02d", prefix, i))
		servers = append(servers, s.StartDataServer(ids[i], "127.0.0.1:0"))
	}
	return ids, servers
}

// AwaitNormal returns when the API server is warm and lists every data server: only then a fault tells something.
func (s *Site) AwaitNormal(a *APIServer) {
	s.tb.Helper()
	a.AwaitNormal(s.tb, 40*time.Second, s.Servers...)
}

// NoFalseExpiries is the row that every fault has.
func (s *Site) NoFalseExpiries(what string, apis ...*APIServer) {
	s.tb.Helper()
	var asked []*API
	for _, a := range apis {
		asked = append(asked, a.API)
	}
	s.Events.NoFalseExpiries(s.tb, what, asked...)
}

// aftermath is when every lease that a fault touched is renewed or over.
const SettleTime = 12 * time.Second
