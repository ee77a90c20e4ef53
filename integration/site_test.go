package integration

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// site is a cluster as it stands in a machine room: each part a process of its own.
type site struct {
	tb      testing.TB
	lookupd *daemon
	nsqd    []*daemon
	witness *witness
	servers []string // ids of all data servers that were started
}

// newSite is nsqlookupd, so many nsqd, and a witness that hears them.
func newSite(tb testing.TB, nsqd int) *site {
	tb.Helper()
	s := &site{tb: tb, lookupd: startLookupd(tb)}
	for range nsqd {
		s.nsqd = append(s.nsqd, startNSQD(tb, s.lookupd.tcp))
	}
	s.witness = startWitness(tb, s.tcp()...)
	return s
}

// tcp are the addresses of the nsqd.
func (s *site) tcp() []string {
	var addrs []string
	for _, n := range s.nsqd {
		addrs = append(addrs, n.tcp)
	}
	return addrs
}

// api starts an API server that finds the nsqd through nsqlookupd.
func (s *site) api(id string, args ...string) *apiProcess {
	s.tb.Helper()
	return startAPIProcess(s.tb, id, append([]string{"--nsq.lookupd", s.lookupd.http}, args...)...)
}

// fleet starts so many data servers in one process.
func (s *site) fleet(prefix string, servers int) *fleet {
	s.tb.Helper()
	f := startFleet(s.tb, fleetSpec{Prefix: prefix, Servers: servers, Spread: 2 * time.Second, Lookupd: []string{s.lookupd.http}})
	s.servers = append(s.servers, f.ids...)
	return f
}

// dataServer starts one data server, the command that a user has.
func (s *site) dataServer(id, listen string, args ...string) *process {
	s.tb.Helper()
	path, err := buildBinary()
	must(s.tb, err)
	cmd := exec.Command(path, append([]string{"dataserver", "--log.level=error", "--nsq.lookupd", s.lookupd.http,
		"--dataserver.id", id, "--dataserver.listen", listen}, args...)...)
	cmd.Stderr = os.Stderr
	if !slices.Contains(s.servers, id) {
		s.servers = append(s.servers, id)
	}
	return startProcess(s.tb, cmd)
}

// dataServers starts so many, on any ports.
func (s *site) dataServers(prefix string, n int) (ids []string, servers []*process) {
	s.tb.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprintf("%s-%02d", prefix, i))
		servers = append(servers, s.dataServer(ids[i], "127.0.0.1:0"))
	}
	return ids, servers
}

// calm returns when the API server is warm and lists every data server: only then a fault tells something.
func (s *site) calm(a *apiProcess) {
	s.tb.Helper()
	a.awaitCalm(s.tb, 40*time.Second, s.servers...)
}

// noFalse is the row that every fault has.
func (s *site) noFalse(what string, apis ...*apiProcess) {
	s.tb.Helper()
	var asked []*api
	for _, a := range apis {
		asked = append(asked, a.api)
	}
	s.witness.noFalse(s.tb, what, asked...)
}

// aftermath is when every lease that a fault touched is renewed or over.
const aftermath = 12 * time.Second
