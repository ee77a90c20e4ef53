// Package prober asks servers whether they are there, for the registry that suspects them.
//
// A finding says only what is certain. What may be the fault of this process is FindingUnknown, which nobody is
// expired by:
//
//	connect ──refused──▶ wait 250 ms, connect ──refused──▶ refused
//	   │ │ └─no answer in time, no route to the host─────▶ silent
//	   │ └───this process cannot, or may not─────────────▶ unknown
//	   ▼
//	connected ──mode tcp─────────────────────────────────▶ accepted
//	   │ mode http: GET /healthz
//	   ├──a header, with the identity of the server──────▶ identified   whatever the status
//	   ├──a header, with another id or service───────────▶ stranger
//	   ├──a header, with another incarnation─────────────▶ accepted     the server restarted
//	   ├──a header without, no HTTP, closed, reset───────▶ accepted     somebody lives there
//	   └──no whole header in time────────────────────────▶ silent       a stopped process is still connected to
//
// The identity is X-Rollcall-Id, and X-Rollcall-Service and X-Rollcall-Incarnation where they are told. The id alone is
// enough, unless a newer server with the same id claims the address (Probe.Contested); then it counts as accepted.
//
// A server that speaks something else than HTTP and waits for its client to begin looks silent to a question in
// HTTP. It is for mode tcp.
package prober
