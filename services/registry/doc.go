// Package registry keeps the set of known servers.
//
// It is a pure state machine in one goroutine, which owns the state. Other goroutines send messages and receive immutable
// results. There is no mutex, and the registry reads no clock: it takes the time from receipts and ticks.
//
//	Observe ──▶ mailbox ──▶┌───────────┐──▶ Events   every transition and change of mode, in order
//	Tick    ──▶ calls   ──▶│           │──▶ Watch    each new membership, or the changes of one service; the latest wins
//	Report  ──▶ calls   ──▶│ Run: state│──▶ Probes   servers to probe; the results go to Report
//	Members ──▶ calls   ──▶└───────────┘──▶ results  by reply channel, immutable
//
// The registry applies the messages of one goroutine in the order in which this goroutine sent them. It applies a call, such as
// a tick or a query, after every heartbeat that was in the mailbox before the call.
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
//	alive, suspect ── replaced ──▶ gone; the event of its successor follows: registered, or updated if the successor moved
//
// An incarnation that expired is registered again after two heartbeats that are half an interval apart. lease.go measures
// silence, verdict.go decides when silence ends a server, mode.go defines the modes.
//
// (incarnation, seq) gives the order of the heartbeats of a server. The order of arrival does not count, because NSQ delivers
// messages more than once and in any order. contender.go describes how a live sender that breaks the order of (incarnation, seq)
// replaces a silent server. objection.go describes which heartbeats are ignored after a server was removed.
//
// README.md in this folder is for users.
package registry
