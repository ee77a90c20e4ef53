package balancer

import (
	"errors"
	"slices"
	"strings"

	"rollcall/services/check"
)

// Policy is the name of a load balancing policy.
type Policy string

const (
	P2C        Policy = "p2c"        // draws two servers by weight; takes the one with fewer requests in flight, relative to its weight
	Random     Policy = "random"     // draws one server by weight
	RoundRobin Policy = "roundrobin" // takes the servers in turn, by weight
	LeastLoad  Policy = "leastload"  // like P2C, but also counts the load that servers report in their heartbeats
	Hash       Policy = "hash"       // sends equal keys to the same server; weighted rendezvous hashing
)

// ErrPolicy is the error of PickBy for an unknown policy.
var ErrPolicy = errors.New("balancer: unknown policy")

// Policies returns all policies, the default first. The caller owns the slice.
func Policies() []Policy { return []Policy{P2C, Random, RoundRobin, LeastLoad, Hash} }

func (p Policy) known() bool { return slices.Contains(Policies(), p) }

// Check adds an error for the configuration key if p is not one of the policies that Policies returns.
func (p Policy) Check(f *check.Fields, key string) {
	f.That(p.known(), key, "%q: want one of %s", p, PolicyNames())
}

// PolicyNames returns the names of all policies, separated by commas.
func PolicyNames() string {
	var names []string
	for _, p := range Policies() {
		names = append(names, string(p))
	}
	return strings.Join(names, ", ")
}

// picker chooses a server by a policy. It is safe for concurrent use.
type picker interface {
	// pick returns one of the candidates, of which there is at least one. It may return nil, or a server that was a candidate until a moment
	// ago, while the candidates change.
	pick(c *candidates, key uint64) *Endpoint
}

// ranker is a picker that ranks all candidates for a key. Its method pick returns the candidate of the highest rank.
type ranker interface {
	picker
	// pickNext returns the highest ranked candidate that is not in the slice tried. It returns nil if all candidates are in it.
	pickNext(c *candidates, key uint64, tried []*Endpoint) *Endpoint
}

// follower is a picker that has a state for each candidate. The Balancer calls follow, with Balancer.mu held, whenever the candidates have
// changed. If the slice changes is nil, all candidates may have changed. Calls of pick with the new candidates may precede the call of
// follow.
type follower interface {
	picker
	follow(c *candidates, changes []change)
}

// change is the change of one server: its weights as a candidate before and after.
type change struct {
	*Endpoint
	was, is weights
}

// newPicker returns the picker of a policy. A picker builds no state before its first pick, so that a policy that is not used costs nothing.
func newPicker(p Policy) picker {
	switch p {
	case Random:
		return random{}
	case RoundRobin:
		return &roundRobin{current: &candidates{}}
	case LeastLoad:
		return leastLoad{}
	case Hash:
		return &rendezvous{}
	default:
		return p2c{}
	}
}
