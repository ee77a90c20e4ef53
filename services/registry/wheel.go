package registry

import "time"

// wheelSlots is the number of slots. A turn of the wheel takes wheelSlots ticks, by default 1024 times 250 ms, or 256 s. A
// record that is due after more than a turn is skipped once a turn until it is due.
const wheelSlots = 1024

// wheel is a timing wheel: it holds records by the time when they are due. Moving a record costs O(1), and a tick reads only the
// slots that have become due. With 100 000 servers a heap would cost 17 cache misses (log2 of 100 000) for each heartbeat, and a
// tick without an index would read every record.
type wheel struct {
	slots [wheelSlots]*record // heads of circular, doubly linked lists
	tick  time.Duration
	done  int64 // number of the newest slot that was collected
}

// place moves the record r to the slot for the time at which r is due. If this time is past, r is due at the next tick.
func (w *wheel) place(r *record, due time.Duration) {
	slot := max(int64(due/w.tick), w.done)
	r.due = due
	if r.next != nil && r.slot == slot {
		return
	}
	w.remove(r)
	r.slot = slot
	head := &w.slots[slot%wheelSlots]
	if *head == nil {
		r.next, r.prev = r, r
		*head = r
		return
	}
	r.next, r.prev = *head, (*head).prev
	r.prev.next, r.next.prev = r, r
}

// The method remove takes the record r out of the wheel. It does nothing if r is not in the wheel.
func (w *wheel) remove(r *record) {
	if r.next == nil {
		return
	}
	head := &w.slots[r.slot%wheelSlots]
	switch {
	case r.next == r:
		*head = nil
	case *head == r:
		*head = r.next
	}
	r.prev.next, r.next.prev = r.next, r.prev
	r.next, r.prev = nil, nil
}

// collect appends the records that are due at the time now to the parameter into, and returns the longer slice. The records stay in
// the wheel until they are placed again or removed.
func (w *wheel) collect(now time.Duration, into []*record) []*record {
	last := int64(now / w.tick)
	for slot := max(w.done, last-wheelSlots+1); slot <= last; slot++ {
		head := w.slots[slot%wheelSlots]
		if head == nil {
			continue
		}
		for r := head; ; r = r.next {
			if r.due <= now {
				into = append(into, r)
			}
			if r.next == head {
				break
			}
		}
	}
	w.done = max(w.done, last)
	return into
}
