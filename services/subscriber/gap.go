package subscriber

import (
	"slices"
	"time"

	"rollcall/events"
)

// Gap reports that events of an API server are missing. A gap is detected when a later event arrives, so the loss of an API
// server's last event stays unnoticed until the API server emits another event. An event whose type this version does not
// know counts as missing.
type Gap struct {
	Observer string // id of the API server

	// From and To are the first and the last missing revision. Both are 0 if Restarted is true.
	From, To uint64

	// Restarted reports that the API server restarted, so its revisions count from 1 again. The last events before the
	// restart may be missing. Missing revisions after the restart are reported as further gaps.
	Restarted bool
}

// Bounds of the memory of gaps. If more than maxMissing ranges of revisions are missing, the oldest range is reported before
// the time Config.Grace has passed. If more than maxObservers API servers publish events, the API server that has been silent
// for longest is forgotten.
const (
	maxMissing   = 1000
	maxObservers = 1000
)

// gaps finds the missing revisions of each observer (API server), starting after the first revision that arrives. The number
// high is the highest revision since the last restart of the observer:
//
//	revision > high            the revisions between high and this one are missing
//	revision is missing        it arrived late
//	else, with a later time    the observer restarted: set high = 0 and evaluate the revision again
//	else                       a duplicate, or a revision already reported as missing
//
// A revision alone does not distinguish a restart from a message that an nsqd delayed, so the event's time decides. If the
// observer's clock was set back at the restart, the restart is detected when the clock has reached its former time.
type gaps struct {
	grace     time.Duration
	observers map[string]*observer
	missing   []missing // ranges of missing revisions, ordered by the time at which they become overdue
}

type observer struct {
	high    uint64        // the highest revision since the last restart
	latest  time.Time     // time of the latest event
	started time.Time     // events before this time precede the last restart
	active  time.Duration // when the last event arrived, on the clock of loop.run
}

type missing struct {
	Gap
	due time.Duration
}

func newGaps(grace time.Duration) gaps {
	return gaps{grace: grace, observers: make(map[string]*observer)}
}

// observe records the revision of an event that arrived. It reports whether the observer restarted.
func (g *gaps) observe(t events.Transition, now time.Duration) (restarted bool) {
	if t.Revision == 0 {
		return false
	}
	o := g.observers[t.Observer]
	if o == nil {
		o = g.addObserver(t)
	}
	o.active = now
	switch {
	case t.Time.Before(o.started):
		return false
	case t.Revision > o.high, g.arrived(t.Observer, t.Revision):
	case t.Time.After(o.latest):
		restarted = true
		o.high, o.started = 0, o.latest.Add(1)
		g.missing = slices.DeleteFunc(g.missing, func(m missing) bool { return m.Observer == t.Observer })
	default:
		return false
	}
	if t.Time.After(o.latest) {
		o.latest = t.Time
	}
	if t.Revision > o.high {
		g.addMissing(Gap{Observer: t.Observer, From: o.high + 1, To: t.Revision - 1}, now)
		o.high = t.Revision
	}
	return restarted
}

// addObserver adds the observer of t, the first event received from it.
func (g *gaps) addObserver(t events.Transition) *observer {
	if len(g.observers) == maxObservers {
		delete(g.observers, g.leastActive())
	}
	o := &observer{high: t.Revision, latest: t.Time}
	g.observers[t.Observer] = o
	return o
}

func (g *gaps) leastActive() (id string) {
	for other, o := range g.observers {
		if id == "" || o.active < g.observers[id].active {
			id = other
		}
	}
	return id
}

func (g *gaps) addMissing(gap Gap, now time.Duration) {
	if gap.From <= gap.To {
		g.missing = append(g.missing, missing{gap, now + g.grace})
	}
}

// arrived removes a revision from the missing revisions. It reports whether the revision was missing.
func (g *gaps) arrived(observer string, revision uint64) bool {
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

// overdue removes and returns the ranges that have been missing for Config.Grace or longer, and the oldest ranges beyond
// maxMissing.
func (g *gaps) overdue(now time.Duration) []Gap {
	var overdue []Gap
	for len(g.missing) > 0 && (g.missing[0].due <= now || len(g.missing) > maxMissing) {
		overdue = append(overdue, g.missing[0].Gap)
		g.missing = g.missing[1:]
	}
	return overdue
}

// due returns when the next range becomes overdue. It reports false if nothing is missing.
func (g *gaps) due() (time.Duration, bool) {
	if len(g.missing) == 0 {
		return 0, false
	}
	return g.missing[0].due, true
}
