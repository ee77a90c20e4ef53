package stack

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// The limits of TestStack.
const (
	imageMiB    = 25
	healthyIn   = time.Minute
	downIn      = 15 * time.Second
	silentHost  = 10500 * time.Millisecond // limit for the expiry of a killed container, whose address does not respond
	saidGoodbye = 300 * time.Millisecond
	restored    = 2 * time.Second
	stackRate   = 100 // requests a second
)

// TestStack starts docker-compose.yml as users do, and causes the faults that need containers.
func TestStack(t *testing.T) {
	s := newStack(t)
	harness.AtMost(t, "up until every container is healthy", s.up(), healthyIn)
	for _, r := range []struct {
		name string
		run  func(*stack)
	}{
		{"the image is small and has no root user", (*stack).image},
		{"containers are confined", (*stack).confined},
		{"each data server is listed and responds", (*stack).eachServes},
		{"data server killed", (*stack).serverKilled},
		{"data server stopped", (*stack).serverStopped},
		{"scaled up and down", (*stack).scaled},
		{"nsqd paused", (*stack).nsqdPaused},
		{"nsqd restarted one after the other", (*stack).nsqdRestarted},
		{"API server cut off", (*stack).apiCutOff},
		{"API server killed", (*stack).apiKilled},
		{"down", (*stack).down},
	} {
		t.Run(r.name, func(t *testing.T) { r.run(s.withTB(t)) })
	}
}

func (s *stack) image() {
	var images []struct {
		Size   int64
		Config struct{ User string }
	}
	fixture.Must(s.tb, json.Unmarshal([]byte(s.docker("image", "inspect", s.spec.image())), &images))
	harness.AtMost(s.tb, "image, MiB", float64(images[0].Size)/(1<<20), imageMiB)
	if user := images[0].Config.User; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		s.tb.Errorf("its user is %q", user)
	}
	if said := s.docker("run", "--rm", s.spec.image(), "version"); !strings.HasPrefix(said, "rollcall devel go") {
		s.tb.Errorf("version prints %q", said)
	}
}

func (s *stack) confined() {
	var containers []struct {
		Name       string
		HostConfig struct {
			ReadonlyRootfs bool
			CapDrop        []string
			SecurityOpt    []string
			Memory         int64
			PortBindings   map[string][]struct{ HostIP string }
		}
	}
	names := strings.Fields(s.containersBy("{{.Names}}"))
	fixture.Must(s.tb, json.Unmarshal([]byte(s.docker(append([]string{"inspect"}, names...)...)), &containers))
	for _, c := range containers {
		h := c.HostConfig
		if !h.ReadonlyRootfs || h.Memory == 0 || !slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Contains(h.SecurityOpt, "no-new-privileges:true") {
			s.tb.Errorf("%s: read-only %t, memory %d, dropped %v, options %v", c.Name, h.ReadonlyRootfs, h.Memory, h.CapDrop, h.SecurityOpt)
		}
		for port, bindings := range h.PortBindings {
			for _, b := range bindings {
				if b.HostIP != "127.0.0.1" {
					s.tb.Errorf("%s publishes %s on %q", c.Name, port, b.HostIP)
				}
			}
		}
	}
	if len(containers) != 11 {
		s.tb.Errorf("there are %d containers, want 2 nsqlookupd, 3 nsqd, nsqadmin, 2 API servers and 3 data servers", len(containers))
	}
}

// eachServes checks that both API servers list every data server, and that every data server responds through both proxies.
func (s *stack) eachServes() {
	ids := s.ids(s.containers("dataserver")...)
	for _, a := range s.apis {
		a.AwaitNormal(s.tb, time.Minute, ids...)
		a.Await(s.tb, 10*time.Second, "a response of each data server through "+a.Proxy, s.allResponded(a, ids))
	}
}

// allResponded returns a condition for Await. Each call of the condition sends a request through the proxy. The condition is true when
// every server has responded to a request.
func (s *stack) allResponded(a *harness.API, ids []string) func() bool {
	missing := make(map[string]bool)
	for _, id := range ids {
		missing[id] = true
	}
	return func() bool {
		resp, err := a.Client.Get("http://" + a.Proxy + "/" + events.DefaultService + "/hello")
		fixture.Must(s.tb, err)
		fixture.Must(s.tb, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			s.tb.Fatalf("through %s: %s", a.Proxy, resp.Status)
		}
		delete(missing, resp.Header.Get("X-Served-By"))
		return len(missing) == 0
	}
}

// startChecks starts a load on the proxies, and a poller of each API server. It returns a function that stops them. This function fails the
// test if a request failed, if a list missed a server that the parameter dead does not name, or if a live server expired.
func (s *stack) startChecks(what string) (*harness.Load, []*harness.Poller, func(dead ...string)) {
	s.tb.Helper()
	ids := s.ids(s.containers("dataserver")...)
	var looks []*harness.Poller
	var before []int
	var proxies []string
	for _, a := range s.apis {
		before = append(before, a.Expired(s.tb))
		looks = append(looks, harness.StartPoller(s.tb, a, ids))
		proxies = append(proxies, a.Proxy)
	}
	l := harness.StartLoad(s.tb, harness.LoadSpec{Proxies: proxies, Rate: stackRate})
	fixture.Sleep(time.Second)
	return l, looks, func(dead ...string) {
		s.tb.Helper()
		l.NoFailures(s.tb, what)
		for _, look := range looks {
			look.Stop()
			look.CheckUninterrupted(s.tb, what, dead...)
		}
		s.events.NoFalseExpiries(s.tb, what)
		for i, a := range s.apis { // an API server also expires servers while it cannot publish events
			harness.AtMost(s.tb, what+": servers expired, dead ones included", a.Expired(s.tb)-before[i], len(dead))
		}
	}
}

func (s *stack) serverKilled() {
	const what = "docker kill of a data server"
	victim := s.containers("dataserver")[0]
	l, looks, unnoticed := s.startChecks(what)
	id, died := s.stopContainer("kill", victim)
	harness.PercentileAtMost(s.tb, what+": expired", s.events.DelaysOf(s.tb, 2*silentHost, events.TypeExpired, []string{id}), 100, silentHost)
	fixture.Eventually(s.tb, time.Second, "neither API server lists it", func() bool {
		return !slices.ContainsFunc(looks, func(look *harness.Poller) bool { return look.Missing()[id].IsZero() })
	})
	unnoticed(id)
	harness.AtMost(s.tb, what+": time of its last request, after the signal", l.LastServedBy(id).Sub(died), time.Second)
	s.restart(victim)
}

func (s *stack) serverStopped() {
	const what = "docker stop of a data server"
	victim := s.containers("dataserver")[0]
	l, _, unnoticed := s.startChecks(what)
	id, signaled := s.stopContainer("stop", victim)
	harness.PercentileAtMost(s.tb, what+": left", s.events.DelaysOf(s.tb, 5*time.Second, events.TypeLeft, []string{id}), 100, saidGoodbye)
	fixture.Sleep(time.Second)
	unnoticed(id)
	harness.AtMost(s.tb, what+": time of its last request, after the signal", l.LastServedBy(id).Sub(signaled), saidGoodbye)
	s.exitedCleanly(what, signaled, victim)
	s.restart(victim)
}

// stopContainer lets Docker kill or stop a data server. It returns the server's id and the time of the signal.
func (s *stack) stopContainer(how, container string) (id string, sent time.Time) {
	s.tb.Helper()
	id = s.ids(container)[0]
	begun := s.events.MarkDead(id)
	s.docker(how, container)
	sent = s.await(begun, "kill", container).at()
	s.events.MarkDeadAt(sent, id)
	return id, sent
}

// restart starts a data server again. Its address may change.
func (s *stack) restart(container string) {
	s.tb.Helper()
	s.docker("start", container)
	s.events.MarkAlive(s.ids(container)...)
	s.eachServes()
}

// exitedCleanly fails the test unless each container exited with code 0.
func (s *stack) exitedCleanly(what string, since time.Time, containers ...string) {
	s.tb.Helper()
	for _, c := range containers {
		if code := s.await(since, "die", c).Actor.Attributes.ExitCode; code != "0" {
			s.tb.Errorf("%s: %s exited with %s, want 0", what, c, code)
		}
	}
}

func (s *stack) scaled() {
	const what = "from 3 data servers to 10 and back"
	_, _, unnoticed := s.startChecks(what)
	s.compose("up", "-d", "--no-build", "--scale", "dataserver=10")
	all := s.containers("dataserver")
	if len(all) != 10 {
		s.tb.Fatalf("there are %d data servers", len(all))
	}
	s.eachServes()

	id := make(map[string]string)
	for i, known := range s.ids(all...) {
		id[all[i]] = known
	}
	begun := time.Now()
	s.compose("up", "-d", "--no-build", "--scale", "dataserver=3")
	stay := s.containers("dataserver")
	var gone []string
	for _, c := range all {
		if !slices.Contains(stay, c) { // Compose decides which containers stay
			s.events.MarkDeadAt(s.await(begun, "kill", c).at(), id[c])
			s.exitedCleanly(what, begun, c)
			gone = append(gone, id[c])
		}
	}
	if len(gone) != 7 {
		s.tb.Errorf("%d data servers left, want 7", len(gone))
	}
	harness.PercentileAtMost(s.tb, what+": left", s.events.DelaysOf(s.tb, 5*time.Second, events.TypeLeft, gone), 100, saidGoodbye)
	unnoticed(gone...)
	s.eachServes()
}

func (s *stack) nsqdPaused() {
	const what, addr = "docker pause of an nsqd", "nsqd2:4150"
	paused := s.container("nsqd2")
	_, _, unnoticed := s.startChecks(what)
	s.docker("pause", paused)
	s.tb.Cleanup(func() { _ = exec.Command("docker", "unpause", paused).Run() }) // fails if the container runs again
	fixture.Sleep(harness.ShortOrLong(6*time.Second, 15*time.Second))
	s.awaitReception(addr, "silent", time.Second)
	s.docker("unpause", paused)
	s.awaitReception(addr, "receiving", 15*time.Second)
	unnoticed()
}

// awaitReception waits until both API servers report the given reception of an nsqd. If the reception is "receiving", they must be
// connected to the nsqd too.
func (s *stack) awaitReception(nsqd, reception string, within time.Duration) {
	s.tb.Helper()
	for _, a := range s.apis {
		a.Await(s.tb, within, nsqd+" is "+reception, func() bool {
			st, err := a.Status()
			if err != nil {
				return false
			}
			n := st.Node(nsqd)
			return n.Reception == reception && (n.Connected || reception != "receiving")
		})
	}
}

func (s *stack) nsqdRestarted() {
	const what = "docker restart of each nsqd"
	_, _, unnoticed := s.startChecks(what)
	for _, service := range []string{"nsqd1", "nsqd2", "nsqd3"} {
		c := s.container(service)
		begun := time.Now()
		s.docker("restart", c)
		s.exitedCleanly(what, begun, c)
		s.awaitReception(service+":4150", "receiving", 15*time.Second)
	}
	fixture.Sleep(harness.ShortOrLong(time.Second, harness.SettleTime))
	unnoticed()
}

// apiCutOff disconnects an API server from the network. Clients cannot reach it then, so only the other API server gets requests.
func (s *stack) apiCutOff() {
	const what = "docker network disconnect of an API server"
	cut, c := s.apis[1], s.container("apiserver2")
	others := s.withTB(s.tb)
	others.apis = s.apis[:1]
	_, _, unnoticed := others.startChecks(what)
	s.docker("network", "disconnect", s.spec.network(), c)
	fixture.Sleep(harness.ShortOrLong(15*time.Second, time.Minute))
	if cut.Live() {
		s.tb.Error("the API responds while it is disconnected")
	}
	s.docker("network", "connect", "--alias", "apiserver2", s.spec.network(), c)
	begun := time.Now()
	cut.Await(s.tb, 10*time.Second, "it can be reached again", cut.Live)
	look := harness.StartPoller(s.tb, cut, s.ids(s.containers("dataserver")...))
	fixture.Sleep(harness.SettleTime) // an expiry after the reconnect would be visible by then
	look.Stop()
	look.CheckUninterrupted(s.tb, what+": that one")
	unnoticed()
	s.eachServes()
	s.tb.Logf("%s: mode normal %v after the reconnect", what, time.Since(begun).Round(100*time.Millisecond))
	s.events.NoFalseExpiries(s.tb, what, s.apis...)
}

func (s *stack) apiKilled() {
	const what = "docker kill of an API server"
	c, a := s.container("apiserver1"), s.apis[0]
	ids := s.ids(s.containers("dataserver")...)
	killed := time.Now()
	s.docker("kill", c)
	s.docker("start", c)
	began := s.await(killed, "start", c).at()
	a.Await(s.tb, 30*time.Second, "it is ready", a.Ready)
	harness.AtMost(s.tb, what+": ready, since it was started again", time.Since(began), restored)
	a.Await(s.tb, 30*time.Second, "it lists all", func() bool { return a.Lists(ids...) })
	harness.AtMost(s.tb, what+": list is full", time.Since(began), restored)
	fixture.Sleep(harness.SettleTime)
	s.events.NoFalseExpiries(s.tb, what, s.apis...)
	s.eachServes()
}

func (s *stack) down() {
	s.tail.Terminate() // a running nsq_tail keeps the network in use
	ours := slices.Concat(s.containers("apiserver1"), s.containers("apiserver2"), s.containers("dataserver"))
	begun := time.Now()
	s.compose("down")
	harness.AtMost(s.tb, "down", time.Since(begun), downIn)
	s.exitedCleanly("down", begun, ours...)
}
