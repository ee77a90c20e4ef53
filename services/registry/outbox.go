package registry

import "rollcall/events"

// outbox is the bounded queue of the events to publish. An event gets its revision before it enters the queue, so a dropped
// event leaves a gap in the revisions, which subscribers notice.
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
		o.queue = nil // frees the memory that a burst of events has taken
	}
}
