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

// candidate is a server that Pick may return.
type candidate struct {
	*Endpoint
	weight float64 // greater than 0; reduced during the slow start
	full   float64 // weight from the heartbeat
}

// picker chooses a candidate. A picker is built for one list of candidates and is safe for concurrent use.
type picker interface {
	pick(key uint64) *Endpoint
}

// ranker is a picker that ranks all candidates for a key. Its method pick returns the candidate of the highest rank.
type ranker interface {
	picker
	// pickNext returns the highest ranked candidate that is not in the slice tried. It returns nil if all candidates are in it.
	pickNext(key uint64, tried []*Endpoint) *Endpoint
}

// newPicker builds the picker of a known policy. The slice candidates is not empty, is sorted by id, and does not change afterwards. The
// parameter previous is the picker that newPicker built for the same policy before, or nil. Concurrent calls of Pick may still use that
// picker.
func newPicker(p Policy, candidates []candidate, previous picker) picker {
	switch p {
	case Random:
		return &random{newLottery(candidates)}
	case RoundRobin:
		return newRoundRobin(candidates, previous)
	case LeastLoad:
		return &leastLoad{newLottery(candidates)}
	case Hash:
		return newRendezvous(candidates, previous)
	default:
		return &p2c{newLottery(candidates)}
	}
}
