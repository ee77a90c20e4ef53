package balancer

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"rollcall/events"
)

// view holds what Pick reads: the candidates and their pickers. A change of the candidates replaces the whole view, because all its fields
// except the field others are immutable.
type view struct {
	stats      Stats // counts of the servers; its field Ejections is not set
	routable   int   // number of servers that are not excluded (weight 0 or draining)
	local      bool  // Config.Zone has enough usable servers to be preferred
	candidates []candidate
	reserve    []*Endpoint                       // usable servers of other zones, for a request that has tried all candidates
	picker     picker                            // picker of Config.Policy; nil if there are no candidates
	others     atomic.Pointer[map[Policy]picker] // pickers of the other policies, built by PickBy
}

// maxPicks bounds how often view.pick calls the picker for one request, while the picker returns servers that were already tried. After
// maxPicks calls, view.pick scans the candidates.
const maxPicks = 3

func (v *view) pick(p picker, key uint64, tried []*Endpoint) *Endpoint {
	if len(v.candidates) == 0 {
		return nil
	}
	e := p.pick(key)
	if len(tried) == 0 || !slices.Contains(tried, e) {
		return e
	}
	if r, ok := p.(ranker); ok {
		e = r.pickNext(key, slices.Clone(tried)) // a copy, because otherwise the slice tried would escape to the heap in every call of Pick
	} else {
		for n := 1; n < maxPicks && slices.Contains(tried, e); n++ {
			e = p.pick(mix(key + uint64(n)))
		}
	}
	if e != nil && !slices.Contains(tried, e) {
		return e
	}
	return v.scan(tried)
}

// scan returns a server that is not in the slice tried: an alive candidate, else a server of the reserve, else a suspect candidate, else
// nil.
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

// rebuild replaces the view. It builds pickers only if the candidates or their weights have changed. The caller holds b.mu.
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

// build builds the picker of a policy and stores it in b.previous. The caller holds b.mu.
func (b *Balancer) build(p Policy, candidates []candidate) picker {
	picker := newPicker(p, candidates, b.previous[p])
	b.previous[p] = picker
	return picker
}

// pickerBy returns the picker of a policy other than the configured policy. It builds the picker if no earlier call has built it. It also
// returns the view to which the picker belongs: v, or a newer view.
func (b *Balancer) pickerBy(v *view, policy Policy) (*view, picker) {
	if p := v.other(policy); p != nil {
		return v, p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	v = b.view.Load()
	if p := v.other(policy); p != nil || len(v.candidates) == 0 {
		return v, p
	}
	more := map[Policy]picker{policy: b.build(policy, v.candidates)}
	if m := v.others.Load(); m != nil {
		maps.Copy(more, *m)
	}
	v.others.Store(&more)
	return v, more[policy]
}

func (v *view) other(policy Policy) picker {
	m := v.others.Load()
	if m == nil {
		return nil
	}
	return (*m)[policy]
}
