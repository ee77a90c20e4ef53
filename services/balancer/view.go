package balancer

import (
	"slices"
	"time"

	"rollcall/events"
)

// view holds what Pick reads. It is immutable: a change of the servers replaces it.
type view struct {
	stats      Stats             // counts of the servers; its field Ejections is not set
	routable   int               // number of servers that are not excluded (weight 0 or draining)
	local      bool              // Config.Zone has enough usable servers to be preferred
	use        [usabilities]bool // groups whose servers are the candidates
	candidates *candidates
	reserve    []*block // usable servers of other zones, for a request that has tried all candidates
}

// maxPicks bounds how often view.pick calls the picker for one request, while the picker returns servers that were already tried. After
// maxPicks calls, view.pick scans the candidates.
const maxPicks = 3

func (v *view) pick(p picker, key uint64, tried []*Endpoint) *Endpoint {
	c := v.candidates
	if c.count == 0 {
		return nil
	}
	e := p.pick(c, key)
	if e != nil && (len(tried) == 0 || !slices.Contains(tried, e)) {
		return e
	}
	if r, ok := p.(ranker); ok {
		e = r.pickNext(c, key, slices.Clone(tried)) // a copy, because otherwise the slice tried would escape to the heap in every call of Pick
	} else {
		for n := 1; n < maxPicks && slices.Contains(tried, e); n++ {
			e = p.pick(c, mix(key+uint64(n)))
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
	for e := range around(v.candidates.blocks) {
		switch {
		case slices.Contains(tried, e):
		case e.Server().State == events.StateAlive:
			return e
		default:
			worse = e
		}
	}
	for e := range around(v.reserve) {
		if !slices.Contains(tried, e) {
			return e
		}
	}
	return worse
}

// weightsAs returns the weights of a server as it is in the groups now, or zero if the view does not use the server's group.
func (b *Balancer) weightsAs(v *view, e *Endpoint) weights {
	if !v.use[e.usability] {
		return weights{}
	}
	return b.groups[e.usability].at(e)
}

// commit replaces the view after changes of servers, and passes the changes of candidates to the pickers. The caller holds b.mu.
func (b *Balancer) commit(now time.Time) {
	v, old := b.route(now), b.view.Load()
	var changes []change // stays nil if other groups are used
	if v.use == old.use {
		changes = b.changes(v)
	}
	for _, t := range b.touched {
		t.touched = false
	}
	b.touched = nil
	for u := range b.groups {
		b.groups[u].publish()
	}
	v.candidates = old.candidates
	changed := v.use != old.use || len(changes) > 0
	if changed {
		v.candidates = b.gather(v)
	}
	if !v.use[elsewhere] {
		v.reserve = slices.Clone(b.groups[elsewhere].blocks)
	}
	b.view.Store(v)
	if !changed {
		return
	}
	for _, p := range b.pickers {
		if f, ok := p.(follower); ok {
			f.follow(v.candidates, changes)
		}
	}
	b.loads.follow(v.candidates, changes, now)
}

// changes returns the servers that became or ceased to be candidates, and the candidates whose weight has changed.
func (b *Balancer) changes(v *view) []change {
	changes := make([]change, 0, len(b.touched))
	for _, t := range b.touched {
		if t.is = b.weightsAs(v, t.Endpoint); t.is != t.was {
			changes = append(changes, t)
		}
	}
	return changes
}

// gather returns the candidates of the groups that a view uses.
func (b *Balancer) gather(v *view) *candidates {
	var used []*group
	for u := range v.use {
		if v.use[u] {
			used = append(used, &b.groups[u])
		}
	}
	return newCandidates(used...)
}
