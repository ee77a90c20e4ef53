package registry

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config of a Registry. The zero value is useful but for Observer.
type Config struct {
	Observer   string                 // id of this API server, told in every event
	Started    time.Time              // of the process, as its canaries name it; default: canaries of the own id say nothing
	Interval   time.Duration          // between heartbeats, as most servers beat; default 5 s
	TTL        time.Duration          // as most servers have it; default 10 s
	Tick       time.Duration          // how often Tick is called: the precision of suspicion and expiry; default 250 ms
	MaxServers int                    // beyond it new servers are refused, known ones stay; default 100 000
	Outbox     int                    // events kept while nobody takes them, then the oldest are dropped; default 65 536
	Mailbox    int                    // heartbeats that may wait before Observe blocks; default 4096
	Probing    bool                   // somebody reads Probes and Reports; else silence alone decides
	Deaf       func() string          // why nothing can be heard, for the detail of mode blind; must not block; default unknown
	Reached    func(nsqd string) bool // whether this process was ever connected to an nsqd through which no message came; must not block; default no
	Restore    *Saved                 // the roll of the process before; default none. It must be valid
}

// maxTick bounds how late suspicion and expiry may be.
const maxTick = time.Minute

// The part of its TTL after which a silent server is suspect: two beats and a half of the default
// interval are missed by then, and there is time to ask before the lease ends.
const (
	suspectNumerator   = 7
	suspectDenominator = 10
)

func (c *Config) setDefaults() {
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.TTL = cmp.Or(c.TTL, 10*time.Second)
	c.Tick = cmp.Or(c.Tick, 250*time.Millisecond)
	c.MaxServers = cmp.Or(c.MaxServers, 100_000)
	c.Outbox = cmp.Or(c.Outbox, 1<<16)
	c.Mailbox = cmp.Or(c.Mailbox, 1<<12)
}

// Validate names every field that is out of its bounds. Zero stands for the default.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("registry: "+format, args...))
		}
	}
	check(c.Observer != "", "observer is empty")
	check(c.Interval > 0, "interval %v is not positive", c.Interval)
	check(c.TTL > 0, "ttl %v is not positive", c.TTL)
	check(c.Tick > 0 && c.Tick <= maxTick, "tick %v, want more than 0 and at most %v", c.Tick, maxTick)
	check(c.MaxServers > 0, "maxservers %d is not positive", c.MaxServers)
	check(c.Outbox > 0, "outbox %d is not positive", c.Outbox)
	check(c.Mailbox > 0, "mailbox %d is not positive", c.Mailbox)
	if c.Restore != nil {
		if err := c.Restore.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
