package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A world holds simulated data servers and nsqd around the real code of an API server, in virtual time. Everything happens at steps of 25
// ms, the time for which nsqd collects messages before it sends them. Only responses to probes arrive between steps. One goroutine plays
// the steps, and waits in each until all other goroutines are blocked. So all runs with the same seed give the same results.
//
//	dataServer --heartbeats--> nsqdNode --messages--> apiServer: stages > registry <-- prober --probes--> dataServer
//	                              ^------ canaries -------'         | events
//	                                                                v
//	                                                              audit, beside naiveRule
const step = 25 * time.Millisecond

// steps converts a duration to a number of steps.
func steps(d time.Duration) int { return int(d / step) }

// horizon is the number of steps ahead for which servers and messages can be planned. The script of a scenario can plan further ahead.
const horizon = 1024

// epoch is the time that the simulated clocks show at the start of every world. It is read outside of the synctest bubbles, because times
// in a bubble have no monotonic reading.
var epoch = time.Now()

// network describes what happens to messages between nsqd and the API server, and to probes.
type network struct {
	loss            float64       // share of messages that are lost
	probeLoss       float64       // share of probes that are lost
	copies          int           // number of further deliveries of each message, within two seconds
	late            float64       // share of messages that are delayed
	lateBy          time.Duration // longest delay of a delayed message
	unprobed        bool          // there is no prober
	noFailover      bool          // senders try no second nsqd
	onlyServersFail bool          // nsqd and the API server have no fault, so deaths must be detected in time
}

type world struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand // random numbers for the script and the servers
	noise   *rand.Rand // random numbers for the network; separate, so that servers act the same whatever the network does
	start   time.Time  // start of the world, in the time of the bubble
	epoch   time.Time  // start of the world, as the simulated clocks show it
	now     int        // steps since start
	network network

	servers []*dataServer
	byAddr  map[string][]*dataServer // servers at each address, in the order of their creation; later servers replace earlier ones or share the address
	byKey   map[string]*dataServer
	nsqd    []*nsqdNode
	api     *apiServer
	naive   *naiveRule
	audit   *audit

	script map[int][]func()
	turns  [horizon][]turn    // planned turns of servers, by step modulo horizon
	flight [horizon][]message // messages on the way from nsqd to the API server, by step modulo horizon
}

// newWorld creates a world. It must be called in a synctest bubble. The servers start within the first five seconds.
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

// add creates a server that does not run.
func (w *world) add(service, id, addr string) *dataServer {
	s := newDataServer(w, len(w.servers), service, id, addr)
	w.servers = append(w.servers, s)
	w.byAddr[addr] = append(w.byAddr[addr], s)
	w.byKey[s.key] = s
	w.naive.lastHeard = append(w.naive.lastHeard, 0)
	return s
}

// at plans a call of the function do. The time of the call counts from the start of the world.
func (w *world) at(when time.Duration, do func()) {
	w.script[steps(when)] = append(w.script[steps(when)], do)
}

// after plans a call of the function do when the duration d has passed from now.
func (w *world) after(d time.Duration, do func()) { w.at(time.Duration(w.now)*step+d, do) }

// run plays the world, stops the API server, and makes the last checks.
func (w *world) run(length time.Duration) {
	w.api.begin(nil)
	defer func() { // stop the API server also after a failure
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

// randomSteps returns a random number of steps, from 1 to the number of steps in d.
func randomSteps(rng *rand.Rand, d time.Duration) int { return 1 + rng.IntN(max(1, steps(d))) }
