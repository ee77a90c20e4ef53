package balancer

import (
	"math"
	"sync"
)

// roundRobin is a smooth weighted round robin: after t picks, the number of requests of each server differs from its share of t by less
// than one. With equal weights it is an exact rotation.
//
// Request number k of a server with weight w, of a total weight W, has the window of virtual time from k/w to (k+1)/w; t picks take the
// virtual time t/W. Of the servers whose window is open, the method pick takes the one whose window closes first. This is earliest deadline
// first, as in stride scheduling (Waldspurger and Weihl, 1995), with the windows of worst-case fair queueing (Bennett and Zhang, WF²Q,
// 1996). The bound of one request is the "chairman assignment problem" (Tijdeman, 1980). Stride scheduling without the windows would send a
// server of weight 100 among 100 servers of weight 1 a hundred requests in a row.
//
// A server that is added or whose weight changes gets a new turn; the old turn is dead, and pick drops it when its window comes. This is
// earliest eligible virtual deadline first (Stoica and Abdel-Wahab, 1995): a turn keeps the lag of the one before, and the lag of a server
// that was removed is divided among the others, by a shift of the virtual time.
//
// Among n servers, a pick and a change of a server take a time of O(log n) and hold the mutex.
type roundRobin struct {
	mu      sync.Mutex
	current *candidates // empty before the first follow
	built   bool        // the rotation has the current candidates; false before the first pick
	since   float64     // virtual time at which the total weight last changed
	picks   float64     // number of picks since then
	total   float64     // sum of the weights
	turns   []turn      // in the order in which the turns were added; Endpoint.turn is 1 + an index in this slice
	dead    int         // number of dead turns
	waiting heap        // turns whose window is not open, ordered by the time at which the window opens
	ready   heap        // turns whose window is open, ordered by the time at which the window closes
}

// turn is the state of one server in the rotation.
type turn struct {
	*Endpoint
	weight float64 // 0: the turn is dead
	begun  float64 // virtual time at which the turn was added
	served float64 // number of requests since then; it begins with the negative lag
}

// opens and closes return the bounds of the window of the next request.
func (t *turn) opens() float64  { return t.begun + t.served/t.weight }
func (t *turn) closes() float64 { return t.begun + (t.served+1)/t.weight }

func (r *roundRobin) now() float64 {
	if r.picks == 0 {
		return r.since
	}
	return r.since + r.picks/r.total
}

// grow changes the total weight. The virtual time goes on from where it is.
func (r *roundRobin) grow(by float64) {
	r.since, r.picks = r.now(), 0
	r.total += by
}

// grain is the resolution of a lag that a turn takes over: lags are multiples of 1/grain, so that equal servers stay equal.
const grain = 1 << 20

// lag returns by how many requests t is behind its share, at least -1 and at most 1. It is negative if t is ahead.
func (r *roundRobin) lag(t *turn) float64 {
	lag := (r.now()-t.begun)*t.weight - t.served
	return math.Round(min(1, max(-1, lag))*grain) / grain
}

func (r *roundRobin) pick(_ *candidates, _ uint64) *Endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.built {
		r.rebuild()
	}
	if len(r.turns) == r.dead {
		return nil
	}
	r.picks++
	now := r.now()
	for {
		for len(r.waiting) > 0 && (r.waiting[0].at < now || len(r.ready) == 0) {
			it := r.waiting.pop()
			if t := &r.turns[it.turn]; t.weight > 0 {
				r.ready.push(item{t.closes(), it.weight, it.turn})
			}
		}
		it := r.ready.pop()
		t := &r.turns[it.turn]
		if t.weight == 0 {
			continue
		}
		t.served++
		r.waiting.push(item{t.opens(), it.weight, it.turn})
		return t.Endpoint
	}
}

// follow applies the changes to the rotation. If they are many, or if many turns are dead, it makes a new rotation: otherwise one pick would
// have to drop all dead turns.
func (r *roundRobin) follow(c *candidates, changes []change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = c
	if !r.built {
		return
	}
	if changes == nil || r.dead+len(changes) > c.count/8+blockSize {
		r.rebuild()
		return
	}
	for _, change := range changes {
		r.set(change.Endpoint, float64(change.is.weight))
	}
}

// set gives a server a turn of the given weight. A weight of 0 removes the server.
func (r *roundRobin) set(e *Endpoint, weight float64) {
	lag := 0.0
	if e.turn > 0 {
		old := &r.turns[e.turn-1]
		lag = r.lag(old)
		r.grow(-old.weight)
		old.weight = 0
		r.dead++
		e.turn = 0
	}
	if weight > 0 {
		r.grow(weight)
		r.add(e, weight, lag)
	} else if r.dead < len(r.turns) {
		r.since += lag / r.total
	}
}

func (r *roundRobin) add(e *Endpoint, weight, lag float64) {
	r.turns = append(r.turns, turn{e, weight, r.since, -lag})
	e.turn = int32(len(r.turns))
	t := &r.turns[e.turn-1]
	if t.opens() <= r.since { // the window is open at the next pick; one pick must not open the windows of 100 000 servers
		r.ready.push(item{t.closes(), float32(weight), e.turn - 1})
	} else {
		r.waiting.push(item{t.opens(), float32(weight), e.turn - 1})
	}
}

// rebuild makes a rotation of the current candidates, without dead turns. Each server keeps its lag. The sum of the lags of servers that were
// removed is divided among all servers by weight.
func (r *roundRobin) rebuild() {
	c, old := r.current, r.turns
	lags := make([]float64, 0, c.count)
	sum, total := 0.0, 0.0
	for _, b := range c.blocks {
		for i := range b.list {
			lag := 0.0
			if turn := b.list[i].turn; turn > 0 {
				lag = r.lag(&old[turn-1])
			}
			lags = append(lags, lag)
			sum += lag
			total += float64(b.list[i].weight)
		}
	}
	for i := range old {
		old[i].turn = 0
	}
	r.built, r.since, r.picks, r.total, r.dead = true, 0, 0, total, 0
	r.turns, r.waiting, r.ready = make([]turn, 0, c.count), make(heap, 0, c.count), make(heap, 0, c.count)
	for _, b := range c.blocks {
		for i := range b.list {
			d := &b.list[i]
			weight := float64(d.weight)
			r.add(d.Endpoint, weight, math.Round((lags[len(r.turns)]-sum*weight/total)*grain)/grain)
		}
	}
}
