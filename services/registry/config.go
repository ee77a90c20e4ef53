package registry

import (
	"cmp"
	"time"

	"rollcall/services/check"
)

// Config configures a Registry. Only Observer is required.
type Config struct {
	Observer       string                 // id of this API server; every event names it
	Started        time.Time              // start of this process, as its canaries name it; default: id conflicts are not detected
	Interval       time.Duration          // usual interval of heartbeats; default 5 s
	TTL            time.Duration          // usual TTL of servers; default 10 s
	CanaryInterval time.Duration          // time between two canaries through one nsqd, which is silent after 2.5 of them; default 1 s
	Tick           time.Duration          // time between two calls of Tick, the precision of suspicion and expiry; default 250 ms
	MaxServers     int                    // when so many are registered, new servers are refused; default 100 000
	Outbox         int                    // events kept while no one receives them; then the oldest are dropped; default 65 536
	Mailbox        int                    // heartbeats that may wait before Observe blocks; default 4096
	Probing        bool                   // Probes is read and answered with Report; if false, silence alone decides
	BlindCause     func() string          // why no message arrives, for the detail of mode blind; must not block; default unknown
	Reached        func(nsqd string) bool // whether this process was ever connected to an nsqd that delivered no message; must not block; default no
	Restore        *Snapshot              // servers that the previous process knew; default none. It must be valid
}

// maxTick bounds how late suspicion and expiry may be.
const maxTick = time.Minute

// A silent server is suspect after this part of its TTL. By default that is after 7 s: one heartbeat is overdue by then, and
// there is time for three probes before the lease ends.
const (
	suspectNumerator   = 7
	suspectDenominator = 10
)

// Default returns the configuration in which every default is filled in.
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
	c.Outbox = cmp.Or(c.Outbox, 1<<16)
	c.Mailbox = cmp.Or(c.Mailbox, 1<<12)
}

// Validate returns one error for each field that is out of bounds. Zero values stand for the defaults.
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
