package registry

import "fmt"

// objection is why a heartbeat or a leave is ignored.
type objection uint8

const (
	objectionNone        objection = iota
	objectionEcho                  // published before the end of its server
	objectionIncarnation           // an older incarnation than the one on the roll
	objectionSeq                   // its seq is not above the newest one
	objectionLeap                  // its seq is too far above the newest one
	objectionAhead                 // its incarnation lies far in the future
	objectionEnded                 // its incarnation was replaced, and another is on the roll
	objectionLeft                  // its incarnation has left
	objectionUnproven              // it has ended, and was heard once since
	objectionAddress               // another server has its address
	objectionFull                  // the roll is full
	objectionStale                 // it waited in NSQ for its TTL
	objectionLeave                 // a leave of an older incarnation, or of an earlier process, or one without an incarnation that is late
	objections
)

// name is short, for logs.
func (o objection) name() string {
	return [objections]string{"", "echo", "incarnation", "seq", "leap", "ahead", "replaced", "left", "unproven", "address", "full", "stale", "leave"}[o]
}

// words say why, of a heartbeat of this incarnation and seq.
func (o objection) words(incarnation int64, seq uint64) string {
	const until = "; it is taken when it is heard twice while the one on the roll is silent for 1.5 intervals"
	switch o {
	case objectionIncarnation:
		return fmt.Sprintf("its incarnation %d is lower than that of the server on the roll%s", incarnation, until)
	case objectionSeq:
		return fmt.Sprintf("its seq %d is not above the newest one of this incarnation%s", seq, until)
	case objectionLeap:
		return fmt.Sprintf("its seq %d is further above the newest one than any sender counts%s", seq, until)
	case objectionAhead:
		return fmt.Sprintf("its incarnation %d is more than %v in the future, as of a host whose clock is ahead%s", incarnation, farAhead, until)
	case objectionEnded:
		return fmt.Sprintf("its incarnation %d was replaced, and another one is on the roll%s", incarnation, until)
	case objectionLeft:
		return fmt.Sprintf("its incarnation %d has left; one that goes on publishing is taken again a TTL after its leave", incarnation)
	case objectionUnproven:
		return "its server has ended, and one message may be an echo: it is registered when it is heard twice, half an interval apart"
	case objectionAddress:
		return "its address belongs to another id with an incarnation that is not lower"
	case objectionFull:
		return "the registry is full (registry.maxservers)"
	case objectionStale:
		return "it waited in NSQ for its TTL or longer"
	case objectionLeave:
		return "it is a leave of an older incarnation, or one that was published before the newest heartbeat"
	}
	return "it was published before the end of its server"
}

// objection says what speaks against registering the sender of a heartbeat at once, after the end that the tombstone
// remembers. What was published before the end is an echo, however long NSQ kept it. After the end
//
//	a newer incarnation                              is another process: registered
//	the incarnation that the ended one had replaced  was there before and lives: registered
//	the incarnation that ended by a leave            is ignored for a TTL, then registered when it is heard twice
//	that expired                                     is registered when it is heard twice
//	that lost its address                            is registered if its seq goes on, else when it is heard twice
//	another older one                                is registered when it is heard twice, or a TTL later at once
//	no incarnation, as before                        is another process each time: registered
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
