package registry

import "rollcall/events"

// outbox is the bounded queue between the state and whoever publishes. Revisions are given when an
// event enters, so one that is dropped leaves a gap that a subscriber sees.
type outbox struct {
	queue   []events.Event
	max     int
	dropped uint64
}

func (o *outbox) push(e events.Event) {
	if len(o.queue) == o.max {
		o.pop()
		o.dropped++
	}
	o.queue = append(o.queue, e)
}

func (o *outbox) pop() {
	o.queue[0] = nil
	o.queue = o.queue[1:]
	if len(o.queue) == 0 {
		o.queue = nil // lets go of what a burst needed
	}
}
