package balancer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config of a Balancer. The zero value is useful.
type Config struct {
	Policy    Policy        // how Pick chooses; default P2C
	Zone      string        // where the caller stands: servers of it are preferred; default none
	SlowStart time.Duration // in which a new server's share grows to its full; default 10 s, negative: none
	Panic     int           // percent of the servers: if fewer may be used, suspects are too; default 50, negative: never
	Ejection  Ejection
	Builders  map[Policy]Builder // policies of the caller, by name, for Policy and PickBy; default none
}

// Ejection is when and for how long a server that fails is not chosen.
type Ejection struct {
	After   int           // failures in a row; default 5, negative: never
	For     time.Duration // the first time, twice as long each time after that; default 5 s
	Longest time.Duration // default 60 s; who has served well for so long after its return starts at For again
	Percent int           // of the servers at once, at least one, but never the last that can be used; default 30
}

func (c *Config) setDefaults() {
	c.Policy = cmp.Or(c.Policy, P2C)
	c.SlowStart = cmp.Or(c.SlowStart, 10*time.Second)
	c.Panic = cmp.Or(c.Panic, 50)
	c.Ejection.After = cmp.Or(c.Ejection.After, 5)
	c.Ejection.For = cmp.Or(c.Ejection.For, 5*time.Second)
	c.Ejection.Longest = cmp.Or(c.Ejection.Longest, time.Minute)
	c.Ejection.Percent = cmp.Or(c.Ejection.Percent, 30)
}

// Validate names every field that is out of its bounds. Zero stands for the default.
func (c Config) Validate() error {
	c.setDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("balancer: "+format, args...))
		}
	}
	_, own := c.Builders[c.Policy]
	check(own || slices.Contains(Policies(), c.Policy), "policy %q, want one of %q or of builders", c.Policy, Policies())
	check(c.Panic <= 100, "panic %d is more than 100 percent", c.Panic)
	check(c.Ejection.For > 0, "ejection.for %v is not positive", c.Ejection.For)
	check(c.Ejection.Longest >= c.Ejection.For, "ejection.longest %v is less than ejection.for %v", c.Ejection.Longest, c.Ejection.For)
	check(c.Ejection.Percent > 0 && c.Ejection.Percent <= 100, "ejection.percent %d, want 1 to 100", c.Ejection.Percent)
	for name, build := range c.Builders {
		check(name != "", "builders: a policy has no name")
		check(build != nil, "builders: %q is nil", name)
		check(!slices.Contains(Policies(), name), "builders: %q is taken", name)
	}
	return errors.Join(errs...)
}
