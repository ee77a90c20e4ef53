// Package prober probes servers for the registry.
//
// A finding states only what is certain. If this process may be the cause of a failure, the finding is FindingUnknown, which
// expires no server:
//
//	connect ──refused──▶ wait 250 ms, connect ──refused──▶ refused
//	   │ │ └─no response in time, no route to the host───▶ silent
//	   │ └───this process cannot or may not connect──────▶ unknown
//	   ▼
//	connected ──mode tcp─────────────────────────────────▶ accepted
//	   │ mode http: GET /healthz
//	   ├──header with the identity of the server─────────▶ identified   for any status
//	   ├──header with another id or service──────────────▶ stranger
//	   ├──header with another incarnation────────────────▶ accepted     the server restarted
//	   ├──header without identity, no HTTP, closed, reset▶ accepted     some process listens
//	   └──no complete header in time─────────────────────▶ silent       the kernel connects even to a stopped process
//
// The identity consists of X-Rollcall-Id and, if present, X-Rollcall-Service and X-Rollcall-Incarnation. The id alone is
// enough, unless a newer server with the same id claims the address (Probe.Contested); then the finding is accepted.
//
// A server appears silent in mode http if it does not speak HTTP and waits for the client to speak first. Use mode tcp for such
// servers.
package prober
