package registry

import (
	"encoding/binary"
	"hash/maphash"

	"rollcall/events"
)

// message is a heartbeat on its way to the state. What the sender's goroutine can work out is in it, because there
// are many of them and one that owns the roll.
type message struct {
	heartbeat   *events.Heartbeat
	receipt     events.Receipt
	fingerprint uint64 // see fingerprintOf
}

func newMessage(h *events.Heartbeat, r events.Receipt) message {
	return message{h, r, fingerprintOf(h)}
}

var hashSeed = maphash.MakeSeed()

// fingerprintOf returns a hash of all that a heartbeat says of its server and that an update would tell. Comparing it with
// that of the last one touches none of the strings kept for the server, which at 10 000 servers are not in any cache.
// Two descriptions of one server have the same fingerprint once in 2^64 changes; that change is told with the next.
func fingerprintOf(h *events.Heartbeat) uint64 {
	var array [256]byte // enough for most: then it stays on the stack
	b := array[:0]
	str := func(s string) { b = append(append(b, s...), 0) } // no string of a valid heartbeat has a zero
	str(h.Addr)
	str(h.Zone)
	str(h.Version)
	for _, t := range h.Tags {
		str(t)
	}
	str("") // tags end: none of them is empty
	for _, e := range h.Meta {
		str(e.Key)
		str(e.Value)
	}
	for _, n := range []int64{int64(h.Weight), h.IntervalMS, h.TTLMS} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return maphash.Bytes(hashSeed, b)
}
