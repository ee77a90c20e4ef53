package nsqpubsub

import (
	"maps"
	"slices"
	"time"
)

// lookupResult is the result of one query of one nsqlookupd.
type lookupResult struct {
	lookupd int // index in Cluster.Lookupd
	addrs   []string
	err     error
}

// knownNodes merges the nsqd in Cluster.NSQD with the results of all nsqlookupd. While an nsqlookupd fails, its last good result
// remains valid, so that no nsqd is forgotten because of an outage of nsqlookupd.
type knownNodes struct {
	static  []string
	forget  time.Duration
	last    [][]string
	queried []bool
	named   map[string]time.Time // for each address, the last time at which an nsqlookupd named it or failed after naming it
}

func newKnownNodes(c *Cluster) *knownNodes {
	n := len(c.Lookupd)
	return &knownNodes{
		static:  c.NSQD,
		forget:  c.ForgetAfter,
		last:    make([][]string, n),
		queried: make([]bool, n),
		named:   make(map[string]time.Time),
	}
}

func (k *knownNodes) add(r lookupResult) {
	k.queried[r.lookupd] = true
	if r.err == nil {
		k.last[r.lookupd] = r.addrs
	}
}

// settled reports whether every nsqlookupd has responded or failed at least once.
func (k *knownNodes) settled() bool { return !slices.Contains(k.queried, false) }

// at returns the sorted addresses of the nsqd that are known at the time now.
func (k *knownNodes) at(now time.Time) []string {
	for _, addrs := range k.last {
		for _, addr := range addrs {
			k.named[addr] = now
		}
	}
	maps.DeleteFunc(k.named, func(_ string, at time.Time) bool { return now.Sub(at) >= k.forget })
	known := slices.AppendSeq(slices.Clone(k.static), maps.Keys(k.named))
	slices.Sort(known)
	return slices.Compact(known)
}
