package registry

import (
	"cmp"
	"time"

	"rollcall/services/check"
)

// Config configures a Registry. Only Observer is required.
type Config struct {
	Observer       string                 // id of this API server; every event contains it
	Started        time.Time              // start of this process, which its canaries contain; if zero, another API server with the same id is not detected
	Interval       time.Duration          // usual interval of heartbeats; default 5 s
	TTL            time.Duration          // usual TTL of servers; default 10 s
	CanaryInterval time.Duration          // time between two canaries through one nsqd; an nsqd counts as silent after 2.5 times this time; default 1 s
	Tick           time.Duration          // time between two calls of Tick; suspicion and expiry are at most one tick late; default 250 ms
	MaxServers     int                    // maximum number of registered servers; further servers are ignored; default 100 000
	Outbox         int                    // maximum number of events that wait to be received; a full outbox drops its oldest event; default: two for each of MaxServers, at least 65 536
	Mailbox        int                    // maximum number of heartbeats that wait; Observe blocks while the mailbox is full; default 1024
	Probing        bool                   // the caller reads Probes and passes the results to Report; if false, silence alone expires servers
	BlindCause     func() string          // says why no message arrives, for the description of mode blind; must not block; if nil, the cause is unknown
	Reached        func(nsqd string) bool // reports whether this process ever connected to the nsqd, which delivered nothing so far; must not block; if nil, the answer is no
	Restore        *Snapshot              // snapshot of the previous process; must be valid; default none
}

// maxTick is the largest Config.Tick. Servers become suspect and expire by silence only at a tick, so maxTick bounds how late they can be.
const maxTick = time.Minute

// A server becomes suspect after 7/10 of its TTL without a heartbeat. By default that is 7 s: a heartbeat is overdue by then,
// because the interval is 5 s, and the 3 s until the lease ends are enough for three probes, one per second.
const (
	suspectNumerator   = 7
	suspectDenominator = 10
)

// minOutbox bounds the default of Config.Outbox from below. The default has room for two events of each server, because a restart of the
// whole fleet replaces and registers every server. An event that waits takes 72 bytes, in addition to the view that it shares with the record
// of the server: see BenchmarkMemoryPerEvent.
const minOutbox = 1 << 16

// Default returns a Config with the default of every field that has a default.
func Default() Config {
	var c Config
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.TTL = cmp.Or(c.TTL, 10*time.Second)
	c.CanaryInterval = cmp.Or(c.CanaryInterval, time.Second)
	c.Tick = cmp.Or(c.Tick, 250*time.Millisecond)
	c.MaxServers = cmp.Or(c.MaxServers, 100_000)
	c.Outbox = cmp.Or(c.Outbox, max(minOutbox, 2*c.MaxServers))
	c.Mailbox = cmp.Or(c.Mailbox, 1<<10)
}

// Validate returns one error for each field that is out of bounds, joined. A field that is zero counts as its default.
func (c Config) Validate() error {
	c.setDefaults()
	f := check.Of("registry")
	f.That(c.Observer != "", "observer", "is empty")
	f.That(c.Interval > 0, "interval", "%v is not positive", c.Interval)
	f.That(c.TTL > 0, "ttl", "%v is not positive", c.TTL)
	f.That(c.CanaryInterval > 0, "canaryinterval", "%v is not positive", c.CanaryInterval)
	f.That(c.Tick > 0 && c.Tick <= maxTick, "tick", "%v, want more than 0 and at most %v", c.Tick, maxTick)
	f.That(c.MaxServers > 0, "maxservers", "%d is not positive", c.MaxServers)
	f.That(c.Outbox > 0, "outbox", "%d is not positive", c.Outbox)
	f.That(c.Mailbox > 0, "mailbox", "%d is not positive", c.Mailbox)
	if c.Restore != nil {
		if err := c.Restore.Validate(); err != nil {
			f.Add(err)
		}
	}
	return f.Err()
}
