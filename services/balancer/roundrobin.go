package balancer

import (
	"math"
	"sync"
)

// roundRobin is smooth and weighted: after t picks each server has had its share of t to less than one
// request, above as below, and with equal weights it is an exact rotation.
//
// The k-th request of a server with weight w, of W in all, belongs into the window of virtual time from
// k/w to (k+1)/w, where t picks take t/W. Of the servers whose window is open, the one whose window
// closes first is next. That is earliest deadline first, as in stride scheduling (Waldspurger and
// Weihl, 1995), with the windows of worst-case fair queueing (Bennett and Zhang, WF²Q, 1996); that
// no server is ever a request off is Tijdeman's "chairman assignment problem" (1980). Strides alone
// would give a server of weight 100 among 100 of weight 1 a hundred requests at a stretch.
//
// A pick takes O(log n) under a lock.
type roundRobin struct {
	mu      sync.Mutex
	picks   float64
	total   float64 // weight
	servers []turn  // in order of id
	waiting heap    // by when their window opens
	ready   heap    // window is open; by when it closes
}

// turn is the place of one server.
type turn struct {
	Candidate
	served float64 // requests; not whole if it was carried over
}

// lag is by how many requests t is behind its share; negative: ahead.
func (r *roundRobin) lag(t *turn) float64 { return r.picks*t.Weight/r.total - t.served }

func newRoundRobin(candidates []Candidate, previous Picker) Picker {
	r := &roundRobin{servers: make([]turn, len(candidates))}
	for i, c := range candidates {
		r.servers[i].Candidate = c
		r.total += c.Weight
	}
	if old, ok := previous.(*roundRobin); ok {
		r.carry(old)
	}
	r.waiting = make(heap, 0, len(candidates))
	r.ready = make(heap, 0, len(candidates))
	for i := range r.servers {
		t := &r.servers[i]
		r.waiting.push(item{t.served / t.Weight, float32(t.Weight), int32(i)})
	}
	return r
}

// carry gives those who were there before the place they had. What the others were owed or had in
// advance is shared by all, by weight.
func (r *roundRobin) carry(old *roundRobin) {
	old.mu.Lock()
	defer old.mu.Unlock()
	const grain = 1 << 20 // of a request: who is equal remains so, whatever the rounding
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
		t.served = math.Round((t.served-sum*t.Weight/r.total)*grain) / grain
	}
}

func (r *roundRobin) Pick(uint64) *Endpoint {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.picks++
	now := r.picks / r.total
	for len(r.waiting) > 0 && (r.waiting[0].at < now || len(r.ready) == 0) {
		it := r.waiting.pop()
		t := &r.servers[it.server]
		r.ready.push(item{(t.served + 1) / t.Weight, it.weight, it.server})
	}
	it := r.ready.pop()
	t := &r.servers[it.server]
	t.served++
	r.waiting.push(item{t.served / t.Weight, it.weight, it.server})
	return t.Endpoint
}

// heap has the least at its root. It is container/heap without the calls through an interface, which
// cost more than the lock.
type heap []item

type item struct {
	at     float64
	weight float32 // decides a tie: the lighter has waited longer
	server int32   // decides a tie of that too
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

// lesser is 1 if right is before left, else 0. Which of two children is the lesser cannot be
// predicted: the first comparison is compiled without a jump, which spares a fifth of
// BenchmarkPick/roundrobin/1000.
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
