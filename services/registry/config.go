package registry

import (
	"errors"
	"fmt"
	"time"
)

// Config of a Registry. The zero value is useful but for Observer.
type Config struct {
	Observer   string        // id of this API server, told in every event
	Interval   time.Duration // between heartbeats, as most servers have it: for so long the roll is incomplete after a start; default 5 s
	Tick       time.Duration // how often Tick is called: the precision of suspicion and expiry; default 250 ms
	MaxServers int           // beyond it new servers are refused, known ones stay; default 100 000
	Outbox     int           // events kept while nobody takes them, then the oldest are dropped; default 65 536
	Mailbox    int           // heartbeats that may wait before Observe blocks; default 4096
}

// The part of its TTL after which a silent server is suspect: two beats and a half of the default
// interval are missed by then, and there is time to ask before the lease ends.
const (
	suspectNumerator   = 7
	suspectDenominator = 10
)

func (c *Config) setDefaults() {
	setDefault(&c.Interval, 5*time.Second)
	setDefault(&c.Tick, 250*time.Millisecond)
	setDefault(&c.MaxServers, 100_000)
	setDefault(&c.Outbox, 1<<16)
	setDefault(&c.Mailbox, 1<<12)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
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
	check(c.Tick > 0 && c.Tick <= c.Interval, "tick %v, want more than 0 and at most the interval %v", c.Tick, c.Interval)
	check(c.MaxServers > 0, "maxservers %d is not positive", c.MaxServers)
	check(c.Outbox > 0, "outbox %d is not positive", c.Outbox)
	check(c.Mailbox > 0, "mailbox %d is not positive", c.Mailbox)
	return errors.Join(errs...)
}
