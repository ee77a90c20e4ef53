package balancer

import (
	"iter"
	"slices"
	"strings"
	"time"

	"rollcall/events"
)

// Update replaces the membership: the slice servers contains all servers of the service at the time now, in any order. If several of them
// have the same id, Update uses the last one. Update does not keep the slice, but the servers themselves must not change afterwards. Its time
// depends on the number of servers; use Change if the differences are known.
//
// A slow start begins for a new incarnation of a server, and for a server that appears Config.SlowStart or more after the first Update
// with a server. A server that appears earlier may have been running before this process started, so its weight is not reduced.
func (b *Balancer) Update(servers []*events.Server, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin(now)
	sorted := slices.DeleteFunc(slices.Clone(servers), func(s *events.Server) bool { return s == nil })
	slices.SortStableFunc(sorted, func(a, b *events.Server) int { return strings.Compare(a.ID, b.ID) }) // so that RoundRobin takes new servers in the order of their ids
	for _, s := range sorted {
		b.set(s, now).updated = true
	}
	for _, e := range b.endpoints {
		if !e.updated && e.isMember() {
			b.remove(e, now)
		}
		e.updated = false
	}
	b.commit(now)
}

// slice is the number of changed servers after which Change and Tick let a waiting Done, Update or Load take the lock. A slice takes a few
// milliseconds at most.
const slice = 1024

// Change applies changes to the membership. Each change is a pair of what the server was and what it is at the time now: the first is nil for
// a server that was added, the second is nil for a server that was removed. Both have the same id. The servers must not change afterwards.
// The time of Change depends on the number of changes, and only little on the number of servers. For slow starts, see Update.
//
// Change applies many changes in slices of 1024, and Pick may see the membership between two slices. The iterator runs with the lock held, so
// it must not call methods of the Balancer.
func (b *Balancer) Change(changes iter.Seq2[*events.Server, *events.Server], now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begin(now)
	for was, is := range changes {
		switch {
		case is != nil:
			b.set(is, now)
		case was != nil:
			if e := b.endpoints[was.ID]; e != nil && e.isMember() {
				b.remove(e, now)
			}
		}
		b.pause(now)
	}
	b.commit(now)
}

// begin prepares a change of the membership at the time now.
func (b *Balancer) begin(now time.Time) {
	b.sweep(now)
	b.endEjections(now)
	if b.cfg.Zone != "" {
		b.zone.preferred(now) // notes for the peak how many servers the zone had until now: a service without requests has no ticks
	}
}

// pause commits the changes if they are a whole slice, and then releases the lock for a moment. Meanwhile everything that b.mu protects may
// change.
func (b *Balancer) pause(now time.Time) {
	if len(b.touched) >= slice {
		b.commit(now)
		b.mu.Unlock()
		b.mu.Lock()
	}
}

// set adds a server to the membership, or replaces its description.
func (b *Balancer) set(s *events.Server, now time.Time) *Endpoint {
	e := b.endpoints[s.ID]
	switch {
	case e == nil:
		e = &Endpoint{}
		b.endpoints[s.ID] = e
		b.members++
		if !b.started.IsZero() && now.Sub(b.started) >= b.cfg.SlowStart {
			e.recall().startedAt = now
		}
	case e.Server() == s && e.isMember():
		return e
	default:
		if !e.isMember() {
			e.past.leftAt = time.Time{}
			b.members++
		}
		if e.Server().Incarnation != s.Incarnation {
			b.loads.remove(e)
			delete(b.ejected, e)
			e.restart(now)
		}
	}
	if b.started.IsZero() {
		b.started = now
	}
	e.server.Store(s)
	b.place(e, now)
	return e
}

// remove removes a member, and keeps its endpoint for a while.
func (b *Balancer) remove(e *Endpoint, now time.Time) {
	e.recall().leftAt = now
	b.left = append(b.left, departure{e, now})
	b.members--
	b.place(e, now)
}

// place moves a server to the group of its usability, and adapts its weights to the time now.
func (b *Balancer) place(e *Endpoint, now time.Time) {
	to, w := b.usabilityOf(e), b.weightsOf(e, now)
	if local := to != excluded && b.inZone(e.Server()); local != e.local {
		e.local = local
		if local {
			b.zone.servers++
		} else {
			b.zone.servers--
		}
	}
	from := e.usability
	if from == to && (to == excluded || w == b.groups[to].at(e)) {
		return
	}
	b.touch(e)
	switch {
	case from == to:
		b.groups[to].set(e, w)
		return
	case from != excluded:
		b.groups[from].remove(e)
	}
	e.usability = to
	if to != excluded {
		b.groups[to].add(e, w)
	}
}

// touch notes the state of a server before its first change since the last commit.
func (b *Balancer) touch(e *Endpoint) {
	if e.touched {
		return
	}
	e.touched = true
	b.touched = append(b.touched, change{e, b.weightsAs(b.view.Load(), e), weights{}})
}

// Bounds for the endpoints of servers that left the membership. Such an endpoint is kept for keepLeft, so that a server that disappears and
// returns is not treated as new. It is kept longer while it has requests in flight. maxLeft bounds the memory if callers forget to call
// Done.
const (
	keepLeft   = time.Minute
	sweepEvery = 10 * time.Second
	maxLeft    = 4096
)

// departure says when a server left. It is void if the server has returned since.
type departure struct {
	*Endpoint
	at time.Time
}

// sweep deletes the endpoints that have no requests in flight and whose servers left at least keepLeft ago. If more than maxLeft endpoints
// of servers that left remain, sweep deletes the endpoints of the servers that left first. Change and Update call it first, because they treat
// a server whose endpoint was deleted as new.
func (b *Balancer) sweep(now time.Time) {
	b.sweptAt = now
	for range b.left {
		d := b.left[0]
		if now.Sub(d.at) < keepLeft {
			break
		}
		b.left = b.left[1:]
		switch {
		case !d.past.leftAt.Equal(d.at):
		case d.InFlight() > 0:
			d.past.leftAt = now
			b.left = append(b.left, departure{d.Endpoint, now})
		default:
			b.forget(d.Endpoint)
		}
	}
	for len(b.endpoints)-b.members > maxLeft {
		d := b.left[0]
		b.left = b.left[1:]
		if d.past.leftAt.Equal(d.at) {
			b.forget(d.Endpoint)
		}
	}
}

// forget deletes the endpoint of a server that left.
func (b *Balancer) forget(e *Endpoint) {
	delete(b.ejected, e)
	b.loads.remove(e)
	delete(b.endpoints, e.Server().ID)
}
