package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/harness"
)

// The events of a restart come in pairs, replaced and then registered. Whoever deletes on the first and adds on the second
// must not get them the other way round, through several nsqd too.
func TestEventsArriveInTheOrderOfTheirRevisions(t *testing.T) {
	const servers = 100
	c := harness.NewCluster(t)
	n1, n2 := c.StartNSQD(), c.StartNSQD()
	c.StartAPI("api-1", 2)
	seen := c.Watch()
	next := uint64(1)
	for incarnation, told := range []uint64{servers, 2 * servers} { // registered; then replaced and registered
		for i := range servers {
			via := n1
			if i%2 == 0 {
				via = n2
			}
			harness.Publish(t, via.HTTPAddr(), events.HeartbeatTopic,
				fmt.Sprintf(`{"v":1,"service":"data","addr":"10.0.0.%d:80","incarnation":%d,"seq":1}`, i+1, incarnation+1))
		}
		for last := next + told; next < last; next++ {
			select {
			case e := <-seen:
				if got := e.Details().Revision; got != next {
					t.Fatalf("revision %d came, want %d", got, next)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("revision %d did not come", next)
			}
		}
	}
}

// inOrder tells whether the revisions of the events of one API server grow, and by one.
func inOrder(seen []harness.LoggedEvent) error {
	var last uint64
	for _, s := range seen {
		r := s.Details().Revision
		if last != 0 && r != last+1 {
			return fmt.Errorf("%s of %s has revision %d after %d", strings.TrimPrefix(string(s.Type()), "rollcall."), s.ServerID(), r, last)
		}
		last = r
	}
	return nil
}
