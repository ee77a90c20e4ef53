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
//	   ├──a header, with X-Rollcall-Id: the server's id──▶ identified   whatever the status
//	   ├──a header, with another id──────────────────────▶ stranger
//	   ├──a header without, no HTTP, closed, reset───────▶ accepted     somebody lives there
//	   └──no whole header in time────────────────────────▶ silent       a stopped process is still connected to
//
// A server that speaks something else than HTTP and waits for its client to begin looks silent to a question in
// HTTP. It is for mode tcp.
package prober
