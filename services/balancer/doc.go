// Package balancer chooses, among the servers of one service, the one for the next request.
//
//	membership ── Update ──▶┌──────────┐
//	time       ── Tick   ──▶│ Balancer │── Builder ──▶ view ──▶ Pick ──▶ Endpoint ── Begin, Done ─╮
//	loads      ── Load   ──▶└──────────┘                                                          │
//	                          ▲                                                                   │
//	                          ╰── failures in a row: ejected ─────────────────────────────────────╯
//
// To use it, make a Balancer for each service, call Update with each new membership and Tick about four
// times a second. For each request take an Endpoint from Pick, call Begin on it, send the request to
// Server().Addr, and tell Done what became of it. To try again elsewhere, give Pick those that were
// tried.
//
// Who may be chosen is decided when something changes (routable.go), and so is what a policy can work out
// ahead: its Builder makes a Picker from the candidates and their weights. Pick reads both through one
// atomic pointer. There is no goroutine and no clock in here: all that depends on time takes now.
//
// A policy of your own is a Builder, under a name, in Config.Builders.
package balancer
