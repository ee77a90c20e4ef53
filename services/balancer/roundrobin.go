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
// Among n servers, a pick takes a time of O(log n) and holds a mutex.
type roundRobin struct {
	mu      sync.Mutex
	picks   float64 // number of picks so far
	total   float64 // sum of the weights
	servers []turn  // sorted by id
	waiting heap    // servers whose window is not open, ordered by the time at which the window opens
	ready   heap    // servers whose window is open, ordered by the time at which the window closes
}

// turn is the state of one server in the rotation.
type turn struct {
	candidate
	served float64 // number of requests so far; it can have a fraction after a new picker has taken over the lag of the previous picker
}

// lag returns by how many requests t is behind its share. It is negative if t is ahead.
func (r *roundRobin) lag(t *turn) float64 { return r.picks*t.weight/r.total - t.served }

func newRoundRobin(candidates []candidate, previous picker) picker {
	r := &roundRobin{servers: make([]turn, len(candidates))}
	for i, c := range candidates {
		r.servers[i].candidate = c
		r.total += c.weight
	}
	if old, ok := previous.(*roundRobin); ok {
		r.carry(old)
	}
	r.waiting = make(heap, 0, len(candidates))
	r.ready = make(heap, 0, len(candidates))
	for i := range r.servers {
		t := &r.servers[i]
		r.waiting.push(item{t.served / t.weight, float32(t.weight), int32(i)})
	}
	return r
}

// carry takes over the lag of each server (the number of requests that it is behind its share) from the previous picker, limited to one
// request. The lag of servers that were removed is divided among all servers by weight.
func (r *roundRobin) carry(old *roundRobin) {
	old.mu.Lock()
	defer old.mu.Unlock()
	const grain = 1 << 20 // served is rounded to a multiple of 1/grain, so that equal servers stay equal
	sum, j := 0.0, 0
	for i := range r.servers {
		t := &r.servers[i]
		for j < len(old.servers) && old.servers[j].id < t.id {
			j++
		}
		if j < len(old.servers) && old.servers[j].Endpoint == t.Endpoint {
			t.served = -min(1, max(-1, old.lag(&old.servers[j])))
			sum += t.served
		}
	}
	for i := range r.servers {
		t := &r.servers[i]
		t.served = math.Round((t.served-sum*t.weight/r.total)*grain) / grain
	}
}

func (r *roundRobin) pick(uint64) *Endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.picks++
	now := r.picks / r.total
	for len(r.waiting) > 0 && (r.waiting[0].at < now || len(r.ready) == 0) {
		it := r.waiting.pop()
		t := &r.servers[it.server]
		r.ready.push(item{(t.served + 1) / t.weight, it.weight, it.server})
	}
	it := r.ready.pop()
	t := &r.servers[it.server]
	t.served++
	r.waiting.push(item{t.served / t.weight, it.weight, it.server})
	return t.Endpoint
}

// heap is a min-heap. It replaces container/heap, which calls methods through an interface: these calls would take longer than the mutex.
type heap []item

type item struct {
	at     float64 // virtual time at which the window opens or closes
	weight float32 // decides a tie: the server with the smaller weight comes first, because its window is longer
	server int32   // index in roundRobin.servers; decides a tie of weights
}

func (a item) before(b item) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.weight < b.weight || a.weight == b.weight && a.server < b.server
}

func (h *heap) push(it item) {
	s := append(*h, it)
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !it.before(s[up]) {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = it
	*h = s
}

func (h *heap) pop() item {
	s := *h
	top, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return top
	}
	i := 0
	for 2*i+2 < len(s) {
		down := 2*i + 1 + lesser(&s[2*i+1], &s[2*i+2])
		if !s[down].before(last) {
			break
		}
		s[i] = s[down]
		i = down
	}
	if down := 2*i + 1; down == len(s)-1 && s[down].before(last) {
		s[i] = s[down]
		i = down
	}
	s[i] = last
	return top
}

// lesser returns 1 if right is before left, else 0. The processor cannot predict which of two children is the lesser, so the first
// comparison is written to compile without a jump. This saves a fifth of the time of BenchmarkPick/roundrobin/1000.
func lesser(left, right *item) int {
	n := 0
	if right.at < left.at {
		n = 1
	}
	if right.at == left.at && right.before(*left) {
		n = 1
	}
	return n
}
