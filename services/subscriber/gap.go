package subscriber

import (
	"slices"
	"time"

	"rollcall/events"
)

// Gap tells that events of an API server did not come. Those that came last before a silence cannot be missed
// until the next one comes. An event of a type that this version does not know is missing, too.
type Gap struct {
	Observer string // id of the API server

	// From and To are the first and the last revision missing, both 0 where Restarted.
	From, To uint64

	// Restarted says that the API server started again and counts from 1: what it told before its end may be
	// missing. Revisions of its new life that stay away are told like others.
	Restarted bool
}

// Bounds of what gaps remembers. Beyond maxMissing the oldest is told before its time, beyond maxObservers the
// one that was silent for longest is forgotten.
const (
	maxMissing   = 1000
	maxObservers = 1000
)

// gaps finds what is missing in the revisions of each observer. An observer counts from the first revision that
// came of it:
//
//	revision > high            the next, or what lies between is missing
//	one of the missing         came late
//	else, and a later time     the observer restarted: high = 0, and again from the top
//	else                       a duplicate, or too late
//
// Revisions alone cannot tell a restart from a message that an nsqd held back, so the time decides at which the
// observer says it happened. If its clock was set back at the restart, the restart is noticed when the clock has
// caught up.
type gaps struct {
	grace     time.Duration
	observers map[string]*observer
	missing   []missing // in the order in which they are due
}

type observer struct {
	high   uint64        // the highest revision
	latest time.Time     // of its events
	began  time.Time     // events before it are of an earlier life
	heard  time.Duration // when it was last heard
}

type missing struct {
	Gap
	due time.Duration
}

func newGaps(grace time.Duration) gaps {
	return gaps{grace: grace, observers: make(map[string]*observer)}
}

// observe notes a revision that came, and reports whether it shows that its observer restarted.
func (g *gaps) observe(t events.Transition, now time.Duration) (restarted bool) {
	if t.Revision == 0 {
		return false
	}
	o := g.observers[t.Observer]
	if o == nil {
		o = g.meet(t)
	}
	o.heard = now
	switch {
	case t.Time.Before(o.began):
		return false
	case t.Revision > o.high, g.found(t.Observer, t.Revision):
	case t.Time.After(o.latest):
		restarted = true
		o.high, o.began = 0, o.latest.Add(1)
		g.missing = slices.DeleteFunc(g.missing, func(m missing) bool { return m.Observer == t.Observer })
	default:
		return false
	}
	if t.Time.After(o.latest) {
		o.latest = t.Time
	}
	if t.Revision > o.high {
		g.miss(Gap{Observer: t.Observer, From: o.high + 1, To: t.Revision - 1}, now)
		o.high = t.Revision
	}
	return restarted
}

// meet makes an observer known at its first revision.
func (g *gaps) meet(t events.Transition) *observer {
	if len(g.observers) == maxObservers {
		delete(g.observers, g.quietest())
	}
	o := &observer{high: t.Revision, latest: t.Time}
	g.observers[t.Observer] = o
	return o
}

func (g *gaps) quietest() (id string) {
	for other, o := range g.observers {
		if id == "" || o.heard < g.observers[id].heard {
			id = other
		}
	}
	return id
}

func (g *gaps) miss(gap Gap, now time.Duration) {
	if gap.From <= gap.To {
		g.missing = append(g.missing, missing{gap, now + g.grace})
	}
}

// found takes a revision off the missing ones, if it is one of them.
func (g *gaps) found(observer string, revision uint64) bool {
	i := slices.IndexFunc(g.missing, func(m missing) bool {
		return m.Observer == observer && m.From <= revision && revision <= m.To
	})
	if i < 0 {
		return false
	}
	before, after := g.missing[i], g.missing[i]
	before.To, after.From = revision-1, revision+1
	rest := slices.DeleteFunc([]missing{before, after}, func(m missing) bool { return m.From > m.To })
	g.missing = slices.Replace(g.missing, i, i+1, rest...)
	return true
}

// overdue returns what is missing for longer than the grace, each revision once.
func (g *gaps) overdue(now time.Duration) []Gap {
	var told []Gap
	for len(g.missing) > 0 && (g.missing[0].due <= now || len(g.missing) > maxMissing) {
		told = append(told, g.missing[0].Gap)
		g.missing = g.missing[1:]
	}
	return told
}

// due returns when the next gap is overdue, or false if nothing is missing.
func (g *gaps) due() (time.Duration, bool) {
	if len(g.missing) == 0 {
		return 0, false
	}
	return g.missing[0].due, true
}
