package registry

import "rollcall/events"

// maxEvents is the maximum number of events that a reader of Registry.Events receives at once. Larger batches would cost hardly less for
// an event: see BenchmarkPublish in pipeline/nsqpubsub. A batch that fails is published again as a whole.
const maxEvents = 256

// outbox is the bounded queue of the events to publish. An event gets its revision before it enters the queue, so a dropped
// event leaves a gap in the revisions, which subscribers notice.
type outbox struct {
	observer string
	max      int

	next    []events.Event // the oldest events, at most maxEvents, which the reader receives next
	queue   []unsent       // the events behind these
	dropped uint64
}

// unsent is an event in the outbox. An event about a server is kept as its parts, which take 72 bytes instead of 450, because the view is
// shared with the record. The event, with its id, is made when it leaves the queue.
type unsent struct {
	event events.Event // if nil, the event is made from the fields below

	view     *events.Server
	step     step
	edition  edition
	revision uint64
	at       int64 // when the transition happened, Unix nanoseconds
}

// push adds an event that is complete.
func (o *outbox) push(e events.Event) { o.add(unsent{event: e}) }

func (o *outbox) add(u unsent) {
	if o.len() == o.max {
		o.drop()
	}
	o.queue = append(o.queue, u)
}

func (o *outbox) len() int { return len(o.next) + len(o.queue) }

// The method drop drops the oldest event.
func (o *outbox) drop() {
	o.fill(1)
	o.next[0] = nil
	o.next = o.next[1:]
	o.dropped++
}

// batch returns the events that the reader receives next, or none. The reader owns them once taken is called.
func (o *outbox) batch() []events.Event {
	o.fill(maxEvents)
	return o.next
}

func (o *outbox) taken() { o.next = nil }

// The method fill moves events from the queue to o.next until o.next has n events.
func (o *outbox) fill(n int) {
	for len(o.next) < n && len(o.queue) > 0 {
		o.next = append(o.next, o.queue[0].make(o.observer))
		o.queue[0] = unsent{} // the queue no longer refers to the view
		o.queue = o.queue[1:]
	}
	if len(o.queue) == 0 {
		o.queue = nil // frees the memory that a burst of events has taken
	}
}

// all returns every event in the outbox.
func (o *outbox) all() []events.Event {
	o.fill(o.len())
	return o.next
}

// The method make returns the event.
func (u *unsent) make(observer string) events.Event {
	if u.event != nil {
		return u.event
	}
	typ, cause := u.step.event()
	event, _ := events.New(typ, events.Transition{
		ID:       events.EventID(typ, u.view.Service, u.view.ID, u.view.Incarnation, u.edition.ordinal, u.edition.round),
		Time:     wall(u.at),
		Server:   *u.view,
		Cause:    cause,
		Revision: u.revision,
		LastSeen: u.view.LastSeen,
		Observer: observer,
	})
	return event
}
