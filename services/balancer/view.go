package balancer

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// view is who may be chosen, from one change to the next. It is immutable but for the pickers that are
// built when somebody asks for them.
type view struct {
	stats      Stats // but for Ejections
	routable   int   // servers that are not barred
	local      bool  // the zone can serve alone
	candidates []Candidate
	reserve    []*Endpoint // usable, for a request that has tried all candidates
	picker     Picker      // of Config.Policy
	others     atomic.Pointer[map[Policy]Picker]
}

// tries bounds how often a policy is asked for one that is not in tried, before a scan finds one.
const tries = 3

func (v *view) pick(p Picker, key uint64, tried []*Endpoint) *Endpoint {
	if len(v.candidates) == 0 {
		return nil
	}
	e := p.Pick(key)
	if len(tried) == 0 || e != nil && !slices.Contains(tried, e) {
		return e
	}
	if r, ok := p.(Ranker); ok {
		e = r.PickNext(key, slices.Clone(tried)) // or each caller's tried would escape to the heap
	} else {
		for try := 1; try < tries && (e == nil || slices.Contains(tried, e)); try++ {
			e = p.Pick(mix(key + uint64(try)))
		}
	}
	if e != nil && !slices.Contains(tried, e) {
		return e
	}
	return v.scan(tried)
}

// scan returns a server not in tried: a usable one if there is one, of the candidates if there is one.
func (v *view) scan(tried []*Endpoint) *Endpoint {
	var worse *Endpoint
	n := len(v.candidates)
	start := rand.IntN(n)
	for i := range n {
		e := v.candidates[(start+i)%n].Endpoint
		switch {
		case slices.Contains(tried, e):
		case e.Server().State == events.StateAlive:
			return e
		default:
			worse = e
		}
	}
	if n = len(v.reserve); n > 0 {
		start = rand.IntN(n)
		for i := range n {
			if e := v.reserve[(start+i)%n]; !slices.Contains(tried, e) {
				return e
			}
		}
	}
	return worse
}

// rebuild makes the view of now. Pickers are built anew only if the candidates or their weights have
// changed. The caller holds the lock.
func (b *Balancer) rebuild(now time.Time) {
	v, old := b.route(now), b.view.Load()
	switch {
	case slices.Equal(v.candidates, old.candidates):
		v.candidates, v.picker = old.candidates, old.picker
		v.others.Store(old.others.Load())
	case len(v.candidates) > 0:
		v.picker = b.build(b.cfg.Policy, v.candidates)
	}
	b.estimate(v.candidates, now)
	b.view.Store(v)
}

// build asks the policy for a picker. The caller holds the lock.
func (b *Balancer) build(p Policy, candidates []Candidate) Picker {
	picker := b.builders[p](candidates, b.previous[p])
	b.previous[p] = picker
	return picker
}

// pickerBy returns the picker of a policy that the Balancer knows, and builds it if nobody has asked before.
func (b *Balancer) pickerBy(v *view, policy Policy) (*view, Picker) {
	if p := v.other(policy); p != nil {
		return v, p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	v = b.view.Load() // by now it may be another
	if p := v.other(policy); p != nil || len(v.candidates) == 0 {
		return v, p
	}
	more := map[Policy]Picker{policy: b.build(policy, v.candidates)}
	if m := v.others.Load(); m != nil {
		for name, p := range *m {
			more[name] = p
		}
	}
	v.others.Store(&more)
	return v, more[policy]
}

func (v *view) other(policy Policy) Picker {
	m := v.others.Load()
	if m == nil {
		return nil
	}
	return (*m)[policy]
}
