// Package balancer chooses a server for each request among the servers of one service.
//
//	membership ── Update ──▶┌──────────┐
//	changes    ── Change ──▶│          │
//	time       ── Tick   ──▶│ Balancer │── candidates ──▶ picker ──▶ Pick ──▶ Endpoint ── Begin, Done ─╮
//	loads      ── Load   ──▶└──────────┘                                                               │
//	                          ▲                                                                        │
//	                          ╰── failures in a row eject a server ────────────────────────────────────╯
//
// Make one Balancer for each service. Call Update with each new membership, or Change with the differences, and Tick about four times a
// second. For each request, call Pick, call Begin on the Endpoint, send the request to Server().Addr, and report the outcome to Done. For a
// retry, pass the endpoints that were tried to Pick.
//
// The servers are in groups by their usability (routable.go), and the candidates are the servers of some of the groups. A group has blocks of
// servers (group.go). A change of a server copies one block, and the candidates before and after the change share all other blocks, so that
// the cost of a change does not grow with the number of servers. Pick reads the candidates through one atomic pointer, so that a request does
// not wait for a change. The package starts no goroutine and reads no clock: every method that depends on time takes now.
//
// README.md describes the policies and the rules for choosing candidates.
package balancer
