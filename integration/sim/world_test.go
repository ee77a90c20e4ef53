package sim

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
//	dataServer --beats--> nsqdNode --deliveries--> apiServer: stages > registry <-- prober --ask--> dataServer
//	                        ^---- canaries ---------'       | events                  `--> naive rule
//	                                                        v
//	                                                     audit
const step = 25 * time.Millisecond

// steps is a duration in steps of the world.
func steps(d time.Duration) int { return int(d / step) }

// horizon bounds how many steps ahead of now anything is planned, but for the script.
const horizon = 1024

// epoch is when every world begins: a time of outside, since those of a bubble have no monotonic reading.
var epoch = time.Now()

// network is what the way from nsqd to the API server does to each message.
type network struct {
	loss            float64       // of messages
	probeLoss       float64       // of probes
	copies          int           // of each message that is not lost, within two seconds after it
	late            float64       // part of the messages that are delayed,
	lateBy          time.Duration // by up to so long
	unprobed        bool          // the registry has nobody ask
	noFailover      bool          // senders try no other nsqd
	onlyServersFail bool          // the scenario leaves the brokers and the API server alone, so deaths are seen in time
}

type world struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand // of the script and the servers
	noise   *rand.Rand // of the network: servers do the same whatever it does
	start   time.Time  // in the bubble
	epoch   time.Time  // the same moment on the clocks of the world
	now     int        // steps since start
	network network

	servers []*dataServer
	byAddr  map[string][]*dataServer // the later ones take the address from those before, or share it
	byKey   map[string]*dataServer
	nsqd    []*nsqdNode
	api     *apiServer
	naive   *naiveRule
	audit   *audit

	script map[int][]func()
	turns  [horizon][]turn    // of servers
	flight [horizon][]message // from nsqd to the API server
}

// newWorld is called in a bubble. The servers start within the first five seconds.
func newWorld(t testing.TB, seed uint64, servers int, n network) *world {
	w := &world{
		t:       t,
		seed:    seed,
		rng:     rand.New(rand.NewPCG(seed, 1)),
		noise:   rand.New(rand.NewPCG(seed, 2)),
		start:   time.Now(),
		epoch:   epoch,
		network: n,
		byAddr:  make(map[string][]*dataServer, servers),
		byKey:   make(map[string]*dataServer, servers),
		script:  make(map[int][]func()),
	}
	w.audit = newAudit(w)
	w.naive = newNaiveRule(w)
	for i := range 3 {
		w.nsqd = append(w.nsqd, newNSQDNode(w, i))
	}
	for i := range servers {
		s := w.add("data", fmt.Sprintf("s%04d", i), fmt.Sprintf("10.1.%d.%d:8080", i>>8, i&255))
		s.appear(w.rng.IntN(steps(5 * time.Second)))
	}
	w.api = newAPIServer(w)
	return w
}

// add makes a server that does nothing yet.
func (w *world) add(service, id, addr string) *dataServer {
	s := newDataServer(w, len(w.servers), service, id, addr)
	w.servers = append(w.servers, s)
	w.byAddr[addr] = append(w.byAddr[addr], s)
	w.byKey[s.key] = s
	w.naive.lastHeard = append(w.naive.lastHeard, 0)
	return s
}

// at plans a part of the script.
func (w *world) at(when time.Duration, do func()) {
	w.script[steps(when)] = append(w.script[steps(when)], do)
}

// after plans from now on.
func (w *world) after(d time.Duration, do func()) { w.at(time.Duration(w.now)*step+d, do) }

// run moves the world, ends the API server, and judges what is left to judge.
func (w *world) run(length time.Duration) {
	w.api.begin(nil)
	defer func() { // also after a failure
		if w.api.stop != nil {
			w.api.stop()
		}
	}()
	for end := steps(length); w.now <= end; w.now++ {
		time.Sleep(time.Until(w.start.Add(time.Duration(w.now) * step)))
		synctest.Wait()
		w.audit.check()
		w.step()
	}
	synctest.Wait()
	w.audit.check()
	w.audit.checkEnd(w.api)
}

func (w *world) step() {
	for _, do := range w.script[w.now] {
		do()
	}
	delete(w.script, w.now)

	turns := &w.turns[w.now%horizon]
	for _, t := range *turns {
		w.servers[t.server].act(t)
	}
	*turns = (*turns)[:0]

	flight := &w.flight[w.now%horizon]
	for _, m := range *flight {
		w.nsqd[m.via].arrive(m)
	}
	*flight = (*flight)[:0]
	for _, n := range w.nsqd {
		n.flush()
	}
	w.api.step()
}

// randomSteps is a random number of steps from 1 to d.
func randomSteps(rng *rand.Rand, d time.Duration) int { return 1 + rng.IntN(max(1, steps(d))) }
