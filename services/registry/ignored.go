package registry

import (
	"context"
	"strings"
	"time"
)

// ignored describes the heartbeats of one server that were ignored.
type ignored struct {
	key         key
	why         objection
	incarnation int64
	seq         uint64
	addr, via   string
	count       uint64
	began, at   int64         // when the first and the newest ignored heartbeat were received, Unix nanoseconds
	seen        time.Duration // when the newest ignored heartbeat was received, by the time of the state
	first, last time.Duration // when the first and the newest heartbeat that may show a live sender were published; see heardTwice
	ttl         time.Duration // TTL of the sender
}

const (
	ignoredFor     = time.Minute // an entry is dropped after this time without an ignored heartbeat, or after the TTL of the sender if that is longer
	ignoredUnknown = 1000        // while there are this many entries, a server that is neither registered nor removed lately gets no entry
)

// ignoring remembers ignored heartbeats, for explain, for the log, and to tell a live sender from an old message. A registered or
// removed server has at most one entry. ignoredUnknown bounds the entries of other senders.
type ignoring struct {
	entries map[key]*ignored
	max     int
	sweepAt time.Duration
	counts  [objections]uint64  // ignored heartbeats and leaves since the start, by objection
	latest  [objections]ignored // the newest ignored heartbeat or leave, by objection
}

func newIgnoring(max int) ignoring { return ignoring{entries: make(map[key]*ignored), max: max} }

// entry returns the entry of the sender of b. If the sender has no entry, entry adds one; if there are i.max entries, it returns nil instead.
func (i *ignoring) entry(b *arrival) *ignored {
	k := key{b.Service, b.ID}
	g := i.entries[k]
	if g == nil && len(i.entries) < i.max {
		g = newIgnored(b)
		i.entries[g.key] = g
	}
	return g
}

// sweep drops the entries of senders that have stopped publishing.
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

// ignore remembers that a heartbeat or a leave was ignored, and why.
func (s *state) ignore(b *arrival, why objection) {
	i, k := &s.ignored, key{b.Service, b.ID}
	g := i.entries[k]
	known := s.servers[k] != nil || s.tombstones.find(k) != nil || len(i.entries) < ignoredUnknown
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

// Ignored describes the ignored heartbeats and leaves of one server. The fields from Incarnation to Detail describe the newest one.
type Ignored struct {
	Count       uint64    `json:"count"`
	Since       time.Time `json:"since"` // when the first ignored heartbeat or leave was received
	Last        time.Time `json:"last"`  // when the newest ignored heartbeat or leave was received
	Incarnation int64     `json:"incarnation"`
	Seq         uint64    `json:"seq"`
	Addr        string    `json:"addr"`
	Via         string    `json:"via"`
	Cause       string    `json:"cause"`
	Detail      string    `json:"detail"` // the cause as a sentence
}

func (g *ignored) explain() *Ignored {
	return &Ignored{
		Count: g.count, Since: wall(g.began), Last: wall(g.at), Incarnation: g.incarnation, Seq: g.seq, Addr: g.addr, Via: g.via,
		Cause: g.why.name(), Detail: g.why.words(g.incarnation, g.seq),
	}
}

// The method of describes the ignored heartbeats of the server k. It returns nil if none was ignored lately. An entry can have the
// count 0, because heardTwice adds it before a heartbeat is ignored.
func (i *ignoring) of(k key, now time.Duration) *Ignored {
	g := i.entries[k]
	if g == nil || g.count == 0 || now-g.seen >= max(ignoredFor, g.ttl) {
		return nil
	}
	return g.explain()
}

// IgnoredCause counts the heartbeats and leaves that were ignored for one cause, and describes the newest one.
type IgnoredCause struct {
	Count       uint64 // number of heartbeats and leaves since the start
	Service, ID string
	Ignored
}

// Ignored returns one IgnoredCause for each cause for which a heartbeat or leave was ignored since the start. The log uses it.
func (r *Registry) Ignored(ctx context.Context) ([]IgnoredCause, error) {
	return query(ctx, r, func(s *state) []IgnoredCause {
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
