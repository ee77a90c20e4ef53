package nsqpubsub

import (
	"maps"
	"slices"
	"time"
)

// answer is what one nsqlookupd said, or that it did not.
type answer struct {
	lookupd int
	addrs   []string
	err     error
}

// roster joins what the nsqlookupd said. The last word of one that is dead stays, so that losing
// nsqlookupd loses no nsqd.
type roster struct {
	static []string
	forget time.Duration
	last   [][]string
	asked  []bool
	named  map[string]time.Time // when a nsqd was last named
}

func newRoster(c *Cluster) *roster {
	n := len(c.Lookupd)
	return &roster{
		static: c.NSQD,
		forget: c.ForgetAfter,
		last:   make([][]string, n),
		asked:  make([]bool, n),
		named:  make(map[string]time.Time),
	}
}

func (r *roster) answered(a answer) {
	r.asked[a.lookupd] = true
	if a.err == nil {
		r.last[a.lookupd] = a.addrs
	}
}

func (r *roster) settled() bool { return !slices.Contains(r.asked, false) }

// at returns the nsqd known at now, sorted.
func (r *roster) at(now time.Time) []string {
	for _, addrs := range r.last {
		for _, addr := range addrs {
			r.named[addr] = now
		}
	}
	maps.DeleteFunc(r.named, func(_ string, at time.Time) bool { return now.Sub(at) >= r.forget })
	known := slices.AppendSeq(slices.Clone(r.static), maps.Keys(r.named))
	slices.Sort(known)
	return slices.Compact(known)
}
