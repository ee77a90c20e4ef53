package integration

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// The simulation runs the real code of an API server in virtual time, in a world of data servers and nsqd that the test
// makes up. Everything in the world happens on a grid of 25 ms, the time for which an nsqd gathers what it sends; only
// answers to probes come in between. One goroutine moves the world, and it waits at each step until all the others wait for
// time to pass: so a seed plays the same on each run.
//
//	simServer --beats--> simNSQD --deliveries--> simAPI: stages > registry <-- prober --ask--> simServer
//	                        ^---- canaries ---------'       | events                  `--> naive rule
//	                                                        v
//	                                                     simAudit
const simStep = 25 * time.Millisecond

// simSteps is a duration in steps of the world.
func simSteps(d time.Duration) int { return int(d / simStep) }

// simHorizon bounds how many steps ahead of now anything is planned, but for the script.
const simHorizon = 1024

// simEpoch is when every world begins: a time of outside, since those of a bubble have no monotonic reading.
var simEpoch = time.Now()

// simNetwork is what the way from nsqd to the API server does to each message.
type simNetwork struct {
	loss      float64       // of messages
	deaf      float64       // of probes
	copies    int           // of each message that is not lost, within two seconds after it
	late      float64       // part of the messages that are delayed,
	lateBy    time.Duration // by up to so long
	unasked   bool          // the registry has nobody ask
	plain     bool          // senders try no other nsqd
	bystander bool          // the scenario leaves the brokers and the API server alone, so deaths are seen in time
}

type simWorld struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand // of the script and the servers
	noise   *rand.Rand // of the network: servers do the same whatever it does
	start   time.Time  // in the bubble
	epoch   time.Time  // the same moment on the clocks of the world
	now     int        // steps since start
	network simNetwork

	servers []*simServer
	byAddr  map[string][]*simServer // the later ones take the address from those before, or share it
	byKey   map[string]*simServer
	nsqd    []*simNSQD
	api     *simAPI
	naive   *simNaive
	audit   *simAudit

	script map[int][]func()
	turns  [simHorizon][]simTurn    // of servers
	flight [simHorizon][]simMessage // from nsqd to the API server
}

// newSimWorld is called in a bubble. The servers start within the first five seconds.
func newSimWorld(t testing.TB, seed uint64, servers int, n simNetwork) *simWorld {
	w := &simWorld{
		t:       t,
		seed:    seed,
		rng:     rand.New(rand.NewPCG(seed, 1)),
		noise:   rand.New(rand.NewPCG(seed, 2)),
		start:   time.Now(),
		epoch:   simEpoch,
		network: n,
		byAddr:  make(map[string][]*simServer, servers),
		byKey:   make(map[string]*simServer, servers),
		script:  make(map[int][]func()),
	}
	w.audit = newSimAudit(w)
	w.naive = newSimNaive(w)
	for i := range 3 {
		w.nsqd = append(w.nsqd, newSimNSQD(w, i))
	}
	for i := range servers {
		s := w.add("data", fmt.Sprintf("s%04d", i), fmt.Sprintf("10.1.%d.%d:8080", i>>8, i&255))
		s.appear(w.rng.IntN(simSteps(5 * time.Second)))
	}
	w.api = newSimAPI(w)
	return w
}

// add makes a server that does nothing yet.
func (w *simWorld) add(service, id, addr string) *simServer {
	s := newSimServer(w, len(w.servers), service, id, addr)
	w.servers = append(w.servers, s)
	w.byAddr[addr] = append(w.byAddr[addr], s)
	w.byKey[s.key] = s
	w.naive.heard = append(w.naive.heard, 0)
	return s
}

// at plans a part of the script.
func (w *simWorld) at(when time.Duration, do func()) {
	w.script[simSteps(when)] = append(w.script[simSteps(when)], do)
}

// after plans from now on.
func (w *simWorld) after(d time.Duration, do func()) { w.at(time.Duration(w.now)*simStep+d, do) }

// run moves the world, ends the API server, and judges what is left to judge.
func (w *simWorld) run(length time.Duration) {
	w.api.begin(nil)
	defer func() { // also after a failure
		if w.api.end != nil {
			w.api.end()
		}
	}()
	for end := simSteps(length); w.now <= end; w.now++ {
		time.Sleep(time.Until(w.start.Add(time.Duration(w.now) * simStep)))
		synctest.Wait()
		w.audit.judge()
		w.step()
	}
	synctest.Wait()
	w.audit.judge()
	w.audit.last(w.api)
}

func (w *simWorld) step() {
	for _, do := range w.script[w.now] {
		do()
	}
	delete(w.script, w.now)

	turns := &w.turns[w.now%simHorizon]
	for _, t := range *turns {
		w.servers[t.server].act(t)
	}
	*turns = (*turns)[:0]

	flight := &w.flight[w.now%simHorizon]
	for _, m := range *flight {
		w.nsqd[m.via].arrive(m)
	}
	*flight = (*flight)[:0]
	for _, n := range w.nsqd {
		n.flush()
	}
	w.api.step()
}

// simWithin is a random number of steps from 1 to d.
func simWithin(rng *rand.Rand, d time.Duration) int { return 1 + rng.IntN(max(1, simSteps(d))) }
