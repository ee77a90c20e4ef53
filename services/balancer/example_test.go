package balancer_test

import (
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

// A policy of one's own: the server that reported the fewest requests, whatever its weight.
func ExampleBuilder() {
	idlest := func(candidates []balancer.Candidate, _ balancer.Picker) balancer.Picker { return idlest(candidates) }
	b, err := balancer.New(balancer.Config{
		Policy:   "idlest",
		Builders: map[balancer.Policy]balancer.Builder{"idlest": idlest},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	servers := []*events.Server{
		{ID: "a", State: events.StateAlive, Weight: 100, Load: &events.Load{InFlight: 7}},
		{ID: "b", State: events.StateAlive, Weight: 100, Load: &events.Load{InFlight: 3}},
	}
	now := time.Now()
	b.Update(servers, now)
	b.Load(servers, now)
	fmt.Println(b.Pick(0, nil).Server().ID)
	// Output: b
}

type idlest []balancer.Candidate

func (i idlest) Pick(uint64) *balancer.Endpoint {
	best := i[0]
	for _, c := range i[1:] {
		if c.Load() < best.Load() {
			best = c
		}
	}
	return best.Endpoint
}
