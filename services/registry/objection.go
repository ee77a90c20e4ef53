package registry

import "fmt"

// objection is the reason for ignoring a heartbeat or a leave.
type objection uint8

const (
	objectionNone        objection = iota
	objectionEcho                  // the heartbeat was published before its server was removed
	objectionIncarnation           // the incarnation is lower than the registered incarnation
	objectionSeq                   // the seq is not above the newest seq
	objectionLeap                  // the seq is too far above the newest seq
	objectionAhead                 // the incarnation is far in the future
	objectionEnded                 // the incarnation was replaced, and another incarnation is registered
	objectionLeft                  // the incarnation has left
	objectionUnproven              // the heartbeat is the first one since its server was removed
	objectionAddress               // another server has the address of the heartbeat
	objectionFull                  // the registry is full
	objectionStale                 // the heartbeat waited in NSQ for its TTL or longer
	objectionLeave                 // the leave is of an older incarnation or process, or is late and has no incarnation
	objections
)

// name returns the objection as one word, for logs and the API.
func (o objection) name() string {
	return [objections]string{"", "echo", "incarnation", "seq", "leap", "ahead", "replaced", "left", "unproven", "address", "full", "stale", "leave"}[o]
}

// The method words returns a sentence that says why a heartbeat with this incarnation and seq was ignored.
func (o objection) words(incarnation int64, seq uint64) string {
	const until = "; the server is accepted when two such heartbeats arrive while the registered process is silent for 1.5 intervals"
	switch o {
	case objectionIncarnation:
		return fmt.Sprintf("its incarnation %d is lower than the registered one%s", incarnation, until)
	case objectionSeq:
		return fmt.Sprintf("its seq %d is not above the newest one of this incarnation%s", seq, until)
	case objectionLeap:
		return fmt.Sprintf("its seq %d is too far above the newest one%s", seq, until)
	case objectionAhead:
		return fmt.Sprintf("its incarnation %d is more than %v in the future, so the clock of its host may be ahead%s", incarnation, farAhead, until)
	case objectionEnded:
		return fmt.Sprintf("its incarnation %d was replaced, and another one is registered%s", incarnation, until)
	case objectionLeft:
		return fmt.Sprintf("its incarnation %d has left; if it goes on publishing, it is accepted a TTL after its leave", incarnation)
	case objectionUnproven:
		return "its server was removed, and one message may be a late copy: it is registered when two heartbeats arrive, half an interval apart"
	case objectionAddress:
		return "its address belongs to another id with an incarnation that is not lower"
	case objectionFull:
		return "the registry is full (registry.maxservers)"
	case objectionStale:
		return "it waited in NSQ for its TTL or longer"
	case objectionLeave:
		return "it is a leave of an older incarnation, or was published before the newest heartbeat"
	}
	return "it was published before its server was removed"
}

// The method objection returns why the heartbeat b does not register its sender at once. If b registers its sender, the result is
// objectionNone. The tombstone t describes the last removal of the server. A heartbeat of an incarnation above t.highest registers: it
// is from another process. Any other heartbeat that was published before the removal is an echo, however long NSQ kept it. After the
// removal, a heartbeat of
//
//	the incarnation that the removed one replaced  registers: its process was there before, and is alive
//	an incarnation that left                       is ignored for a TTL; then the second heartbeat registers
//	an incarnation that expired                    registers if it is the second heartbeat
//	an incarnation that lost its address           registers if its seq goes on or it is the second heartbeat
//	another older incarnation                      registers if it is the second heartbeat, or a TTL after the removal
//	no incarnation, if the removed one had none    registers: it is another process each time
func (t *tombstone) objection(b *arrival) objection {
	over := b.now >= t.olderUntil
	switch {
	case b.Incarnation > t.highest:
		return objectionNone
	case b.sent() <= t.ended:
		return objectionEcho
	case b.Incarnation == 0 && t.incarnation == 0:
		return objectionNone
	case b.Incarnation != t.incarnation && (over || b.Incarnation == t.before):
		return objectionNone
	case b.Incarnation != t.incarnation:
		return objectionUnproven
	case t.why == stepDisplaced && b.ordinal > t.ordinal:
		return objectionNone
	case t.why == stepLeft && !over:
		return objectionLeft
	}
	return objectionUnproven
}
