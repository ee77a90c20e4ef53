// Package registry keeps the set of known servers.
//
// It is a pure state machine in one goroutine, which owns the state. Other goroutines send messages and receive immutable
// results. There is no mutex, and the registry reads no clock: it takes the time from receipts and ticks.
//
//	Observe ──▶ mailbox ──▶┌───────────┐──▶ Events   every transition and change of mode, in order
//	Tick    ──▶ calls   ──▶│           │──▶ Watch    each new membership; the latest wins
//	Report  ──▶ calls   ──▶│ Run: state│──▶ Probes   servers to probe; the results go to Report
//	Members ──▶ calls   ──▶└───────────┘──▶ results  by reply channel, immutable
//
// Order: the messages of one goroutine are applied in the order in which it sent them. A call, such as a tick or a query, is
// applied after every heartbeat that was in the mailbox before it.
//
// The life of one incarnation of a server, and the event of each step:
//
//	                                   silent for 0.7 TTL,               connection refused, another id,
//	            heartbeat              or unreachable                    or silent for a TTL and failed probes
//	unknown ── registered ──▶ alive ──── suspected ──▶ suspect ──────────── expired ──▶ gone
//	                            ▲  ╰─ updated             │
//	                            ╰────── recovered ────────╯  a heartbeat, or its id in answer to a probe
//
//	alive, suspect ── left ──▶ gone, with a tombstone: this incarnation does not return within its TTL
//	alive, suspect ── replaced ──▶ gone, followed by the registered (moved: updated) of its successor
//
// A server that expired is registered again after two heartbeats that are half an interval apart. lease.go measures silence,
// verdict.go decides when it ends a server, mode.go has the modes.
//
// (incarnation, seq) orders the heartbeats of a server, not their arrival: NSQ delivers messages more than once and in any order.
// contender.go describes how a live sender that breaks this order replaces a silent server, objection.go which heartbeats are
// ignored after an end.
//
// README.md in this folder is for users.
package registry
