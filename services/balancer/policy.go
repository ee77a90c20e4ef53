package balancer

import "errors"

// Policy is the name of a way to choose.
type Policy string

const (
	P2C        Policy = "p2c"        // of two drawn by weight, the one with fewer requests in flight over weight
	Random     Policy = "random"     // by weight
	RoundRobin Policy = "roundrobin" // in turn, by weight
	LeastLoad  Policy = "leastload"  // of two drawn by weight, the one that says it has less to do over weight
	Hash       Policy = "hash"       // the same key goes to the same server: weighted rendezvous
)

// ErrPolicy is what PickBy wraps when it does not know the policy.
var ErrPolicy = errors.New("balancer: no such policy")

// Policies returns the policies of this package, the default first. The slice is the caller's.
func Policies() []Policy { return []Policy{P2C, Random, RoundRobin, LeastLoad, Hash} }

// Candidate is a server that may be chosen, with its share of the requests.
type Candidate struct {
	*Endpoint
	Weight float64 // more than 0; that of events, times the part of its slow start that has passed
	Full   float64 // the weight without the slow start
}

// Picker chooses among the candidates that it was built from. Pick must be safe for concurrent use,
// must not block for long, and returns one of the candidates. The key names what the request is
// about, for policies that care: see KeyOf.
type Picker interface {
	Pick(key uint64) *Endpoint
}

// Ranker is a Picker with an order of its own for each key. Where tried holds the one that Pick
// returned, PickNext returns the first in that order that is not in tried; nil if there is none. Any other
// Picker is asked a few times more, with other keys, and then a server is taken that was not tried.
type Ranker interface {
	Picker
	PickNext(key uint64, tried []*Endpoint) *Endpoint
}

// Builder is a policy: it makes a Picker whenever the candidates change. The candidates are at least one,
// in order of their ids, and never changed afterwards, so that the Picker may keep them. Previous is the
// Picker that this Builder made before, nil at first; it may still be in use, and a policy that
// carries something on takes it from there.
//
// A Builder is called by one goroutine at a time, with the Balancer's lock held: it must call no
// method of the Balancer. Those of Endpoint are free. It must not return nil.
type Builder func(candidates []Candidate, previous Picker) Picker

// builders are the policies by name: those of this package, and the caller's.
func builders(own map[Policy]Builder) map[Policy]Builder {
	all := map[Policy]Builder{
		P2C:        newP2C,
		Random:     newRandom,
		RoundRobin: newRoundRobin,
		LeastLoad:  newLeastLoad,
		Hash:       newRendezvous,
	}
	for name, build := range own {
		all[name] = build
	}
	return all
}
