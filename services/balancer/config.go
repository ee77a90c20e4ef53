package balancer

import (
	"cmp"
	"time"

	"rollcall/services/check"
)

// Config configures a Balancer. The zero value is valid: every field has a default.
type Config struct {
	Policy    Policy        // policy of Pick; default P2C
	Zone      string        // zone of the caller; Pick prefers servers of this zone; default: no preference
	SlowStart time.Duration // time in which the weight of a new server grows to its full value; default 10 s, negative: no slow start
	Panic     int           // while less than this percentage of the servers is usable, suspect servers are chosen too; default 50, negative: never
	Eject     Ejection
}

// Ejection configures outlier ejection: a server that fails repeatedly is not chosen for a while. The struct tags describe the keys of the
// configuration file. An After of 0 turns ejection off in that file, but means the default in Go, where a negative After turns it off.
type Ejection struct {
	After   int           `koanf:"after" doc:"failures in a row after which a server is ejected, so that it gets no requests for a while; 0: never"`                    // default 5, negative: no server is ejected
	For     time.Duration `koanf:"for" doc:"duration of the first ejection of a server; each further one takes twice as long"`                                          // default 5 s
	Longest time.Duration `koanf:"longest" doc:"longest duration of an ejection; a server that serves this long without an ejection starts at eject.for again"`         // default 60 s
	Percent int           `koanf:"percent" doc:"percentage of a service's servers that may be ejected at once; at least one server may, but never the last usable one"` // default 30
}

// WithDefaults returns a copy of c in which every default is filled in.
func (c Config) WithDefaults() Config {
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	c.Policy = cmp.Or(c.Policy, P2C)
	c.SlowStart = cmp.Or(c.SlowStart, 10*time.Second)
	c.Panic = cmp.Or(c.Panic, 50)
	c.Eject.After = cmp.Or(c.Eject.After, 5)
	c.Eject.For = cmp.Or(c.Eject.For, 5*time.Second)
	c.Eject.Longest = cmp.Or(c.Eject.Longest, time.Minute)
	c.Eject.Percent = cmp.Or(c.Eject.Percent, 30)
}

// Validate returns an error for each field that is out of its bounds. A zero field is valid and means its default.
func (c Config) Validate() error {
	c.setDefaults()
	f := check.Of("balancer")
	c.Policy.Check(f, "policy")
	f.That(c.Panic <= 100, "panic", "%d: want at most 100", c.Panic)
	c.Eject.Check(f, "eject")
	return f.Err()
}

// Check adds an error for each field of e that is out of its bounds. The parameter key is the key of e in the configuration file, such as
// proxy.eject.
func (e Ejection) Check(f *check.Fields, key string) {
	f.That(e.For > 0, key+".for", "%v: want more than 0", e.For)
	f.That(e.Longest >= e.For, key+".longest", "%v: want at least the %s.for of %v", e.Longest, key, e.For)
	f.That(e.Percent >= 0 && e.Percent <= 100, key+".percent", "%d: want 0 to 100", e.Percent)
}
