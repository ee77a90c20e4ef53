package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/harness"
)

// When a server restarts, the API server emits a "replaced" event and then a "registered" event. A subscriber deletes the server on the
// first event and adds it on the second, so the events must arrive in this order, even if different nsqd deliver them.
func TestEventsArriveInRevisionOrder(t *testing.T) {
	const servers = 100
	c := harness.NewCluster(t)
	n1, n2 := c.StartNSQD(), c.StartNSQD()
	c.StartAPI("api-1", 2)
	seen := c.Watch()
	next := uint64(1)
	for incarnation, count := range []uint64{servers, 2 * servers} { // count of events: a start causes "registered", a restart "replaced" and "registered"
		for i := range servers {
			via := n1
			if i%2 == 0 {
				via = n2
			}
			harness.Publish(t, via.HTTPAddr(), events.HeartbeatTopic,
				fmt.Sprintf(`{"v":1,"service":"data","addr":"10.0.0.%d:80","incarnation":%d,"seq":1}`, i+1, incarnation+1))
		}
		for last := next + count; next < last; next++ {
			select {
			case e := <-seen:
				if got := e.Details().Revision; got != next {
					t.Fatalf("got revision %d, want %d", got, next)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("revision %d did not arrive", next)
			}
		}
	}
}

// inOrder returns an error unless the revision increases by one from each event to the next. All events must come from one API server.
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
