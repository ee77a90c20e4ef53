package registry

import (
	"context"
	"strings"
	"time"
)

// ignored is what is known of the heartbeats of one service and id that were not taken.
type ignored struct {
	key         key
	why         objection
	incarnation int64
	seq         uint64
	addr, via   string
	count       uint64
	began, at   int64         // receipts of the first and the last, Unix nanoseconds
	seen        time.Duration // the last one, by the state's own time
	first, last time.Duration // when those were published that contend; see heardTwice
	ttl         time.Duration // of that sender
}

const (
	ignoredFor     = time.Minute // so long after the last one they are forgotten, or after a TTL that is longer
	ignoredUnknown = 1000        // entries at most of ids that were never on the roll
)

// ignoring remembers the senders that are ignored, for explain, for the log, and to tell a contender from an echo. Ids that
// are on the roll or were are at most as many as the two have places; of others there is a bound.
type ignoring struct {
	entries map[key]*ignored
	max     int
	sweepAt time.Duration
	counts  [objections]uint64  // since the start
	latest  [objections]ignored // the last one of each
}

func newIgnoring(max int) ignoring { return ignoring{entries: make(map[key]*ignored), max: max} }

// entry finds or makes the entry of the sender of b; nil if there is no room.
func (i *ignoring) entry(b *arrival) *ignored {
	k := key{b.Service, b.ID}
	g := i.entries[k]
	if g == nil && len(i.entries) < i.max {
		g = newIgnored(b)
		i.entries[g.key] = g
	}
	return g
}

// sweep forgets at now who is not heard any more.
func (i *ignoring) sweep(now time.Duration) {
	if now < i.sweepAt {
		return
	}
	i.sweepAt = now + ignoredFor
	for k, g := range i.entries {
		if now-g.seen >= max(ignoredFor, g.ttl) {
			delete(i.entries, k)
		}
	}
}

func newIgnored(b *arrival) *ignored {
	return &ignored{key: key{strings.Clone(b.Service), strings.Clone(b.ID)}, first: never, last: never, began: b.ReceivedAt.UnixNano()}
}

// ignore remembers that a heartbeat or a leave was not taken, and why.
func (s *state) ignore(b *arrival, why objection) {
	i, k := &s.ignored, key{b.Service, b.ID}
	g := i.entries[k]
	known := s.servers[k] != nil || s.graves.find(k) != nil || len(i.entries) < ignoredUnknown
	if g == nil && known {
		g = i.entry(b)
	}
	if g == nil {
		g = newIgnored(b)
	}
	g.why, g.incarnation, g.seq, g.via, g.at, g.seen = why, b.Incarnation, b.Seq, b.Via, b.ReceivedAt.UnixNano(), b.now
	if g.addr != b.Addr {
		g.addr = strings.Clone(b.Addr)
	}
	g.count++
	i.counts[why]++
	i.latest[why] = *g
}

// Ignored is what was not taken of one service and id, and why.
type Ignored struct {
	Count       uint64    `json:"count"`
	Since       time.Time `json:"since"` // receipt of the first
	Last        time.Time `json:"last"`  // receipt of the last; the rest is of this one
	Incarnation int64     `json:"incarnation"`
	Seq         uint64    `json:"seq"`
	Addr        string    `json:"addr"`
	Via         string    `json:"via"`
	Cause       string    `json:"cause"`
	Detail      string    `json:"detail"` // the same in words
}

func (g *ignored) explain() *Ignored {
	return &Ignored{
		Count: g.count, Since: wall(g.began), Last: wall(g.at), Incarnation: g.incarnation, Seq: g.seq, Addr: g.addr, Via: g.via,
		Cause: g.why.name(), Detail: g.why.words(g.incarnation, g.seq),
	}
}

// of is nil where nothing was ignored of that server lately. An entry that was made for a heartbeat which was taken counts
// none.
func (i *ignoring) of(k key, now time.Duration) *Ignored {
	g := i.entries[k]
	if g == nil || g.count == 0 || now-g.seen >= max(ignoredFor, g.ttl) {
		return nil
	}
	return g.explain()
}

// IgnoredCause is how many heartbeats and leaves were ignored for one cause, and the last one of them.
type IgnoredCause struct {
	Count       uint64 // since the start
	Service, ID string
	Ignored
}

// Ignored tells by cause what was ignored since the start, for the log.
func (r *Registry) Ignored(ctx context.Context) ([]IgnoredCause, error) {
	return ask(ctx, r, func(s *state) []IgnoredCause {
		var all []IgnoredCause
		for why, n := range s.ignored.counts {
			if n > 0 {
				g := &s.ignored.latest[why]
				all = append(all, IgnoredCause{n, g.key.service, g.key.id, *g.explain()})
			}
		}
		return all
	})
}
