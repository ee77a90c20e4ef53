// Package registry keeps the roll: which servers there are, as far as this process has heard.
//
// It is a pure state machine inside one goroutine. The goroutine owns the only map; everybody else
// sends it a message or gets an immutable answer. There is no mutex, and the registry reads no
// clock: time enters with a heartbeat's receipt and with a tick.
//
//	Observe ──▶ mailbox ──▶┌───────────┐──▶ Events   every transition, in order, with its revision
//	Tick    ──▶ calls   ──▶│ Run: state│──▶ Watch    each new membership; the latest wins
//	Members ──▶ calls   ──▶└───────────┘──▶ answers  by reply channel, immutable
//
// The law of order: what one goroutine sends is applied in the order sent, and a call (a tick, a
// query) is applied after every heartbeat that was in the mailbox before it.
//
// The life of one incarnation of a server, and the event of each step:
//
//	            heartbeat                      silent for 0.7 TTL               silent for a TTL
//	unknown ── registered ──▶ alive ──────────── suspected ──▶ suspect ────────── expired ──▶ gone
//	                            ▲  ╰─ updated                     │
//	                            ╰────────── recovered ────────────╯  heartbeat
//
//	alive, suspect ── left ──▶ gone, with a tombstone: this incarnation never returns
//	alive, suspect ── replaced ──▶ gone, followed by the registered (moved: updated) of its successor
//
// A heartbeat is placed by (incarnation, seq) and not by when it arrives: NSQ delivers at least once
// and in no order.
package registry
