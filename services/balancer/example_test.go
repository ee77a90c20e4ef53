package balancer_test

import (
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/services/balancer"
)

func Example() {
	b, err := balancer.New(balancer.Config{Policy: balancer.RoundRobin})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Now()
	b.Update([]*events.Server{
		{Service: "data", ID: "a", Addr: "10.0.0.1:8080", State: events.StateAlive, Weight: 200},
		{Service: "data", ID: "b", Addr: "10.0.0.2:8080", State: events.StateAlive, Weight: 100},
		{Service: "data", ID: "c", Addr: "10.0.0.3:8080", State: events.StateDraining},
	}, now)
	for range 3 {
		e := b.Pick(0, nil)
		e.Begin()
		fmt.Println(e.Server().Addr)
		b.Done(e, balancer.Answered, now)
	}
	first := b.Pick(0, nil)
	second := b.Pick(0, []*balancer.Endpoint{first})
	fmt.Println("tried", first.Server().Addr, "then", second.Server().Addr)
	// Output:
	// 10.0.0.1:8080
	// 10.0.0.2:8080
	// 10.0.0.1:8080
	// tried 10.0.0.1:8080 then 10.0.0.2:8080
}
