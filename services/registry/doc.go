// Package registry keeps the roll: which servers there are, as far as this process has heard.
//
// It is a pure state machine inside one goroutine. The goroutine owns the only map; everybody else
// sends it a message or gets an immutable answer. There is no mutex, and the registry reads no
// clock: time enters with a heartbeat's receipt and with a tick.
//
//	Observe ──▶ mailbox ──▶┌───────────┐──▶ Events   every transition and change of mode, in order
//	Tick    ──▶ calls   ──▶│           │──▶ Watch    each new membership; the latest wins
//	Report  ──▶ calls   ──▶│ Run: state│──▶ Probes   questions about servers, answered by Report
//	Members ──▶ calls   ──▶└───────────┘──▶ answers  by reply channel, immutable
//
// The law of order: what one goroutine sends is applied in the order sent, and a call (a tick, a
// query) is applied after every heartbeat that was in the mailbox before it.
//
// The life of one incarnation of a server, and the event of each step:
//
//	                                   silent for 0.7 TTL,               refused, another id there,
//	            heartbeat              or unreachable                    or silent for a TTL and to probes
//	unknown ── registered ──▶ alive ──── suspected ──▶ suspect ──────────── expired ──▶ gone
//	                            ▲  ╰─ updated             │
//	                            ╰────── recovered ────────╯  a heartbeat, or an answer with its id
//
//	alive, suspect ── left ──▶ gone, with a tombstone: this incarnation does not return within its TTL
//	alive, suspect ── replaced ──▶ gone, followed by the registered (moved: updated) of its successor
//
// One that expired is registered again when it is heard twice, half an interval apart. How silence is measured is in
// lease.go, when it ends a server in judge.go (lapsed), what the modes are in mode.go (settle).
//
// A heartbeat is placed by (incarnation, seq) and not by when it arrives: NSQ delivers at least once
// and in no order. A live sender that breaks this order takes the place of a silent one: see contender.go. What an end keeps
// away, and for how long, is in objection.go.
package registry
