// Package balancer chooses a server for each request among the servers of one service.
//
//	membership ── Update ──▶┌──────────┐
//	time       ── Tick   ──▶│ Balancer │── candidates ──▶ picker ──▶ Pick ──▶ Endpoint ── Begin, Done ─╮
//	loads      ── Load   ──▶└──────────┘                                                               │
//	                          ▲                                                                        │
//	                          ╰── failures in a row eject a server ────────────────────────────────────╯
//
// Make one Balancer for each service. Call Update with each new membership, and Tick about four times a second. For each request, call
// Pick, call Begin on the Endpoint, send the request to Server().Addr, and report the outcome to Done. For a retry, pass the
// endpoints that were tried to Pick.
//
// When the membership, an ejection or a slow start changes, the Balancer computes the candidates (routable.go) and builds the picker of
// the policy. Pick reads the candidates and the picker through one atomic pointer, so that a request does not wait for such a change. The
// package starts no goroutine and reads no clock: every method that depends on time takes now.
//
// README.md describes the policies and the rules for choosing candidates.
package balancer
