// Package dataserver is what a server needs to be on the roll: an Agent that publishes its heartbeats on
// NSQ, and a small HTTP Server that shows how the two go together.
//
//	start        +1 s         +2 s          each interval, 10 % more or less          ctx ends
//	  |            |            |                |               |                      |
//	heartbeat 1  heartbeat 2  heartbeat 3  ... heartbeat n   heartbeat n+1 ...        leave n+2
//
// All of them carry the incarnation, which is when the agent started, and a sequence number, so that
// whoever hears them can tell their order, and a restart, whatever NSQ does to them on the way. The start
// is fast so that the roll is right in seconds even if a message is lost.
//
// A server that goes tells so before it stops to answer:
//
//	go httpServer.Serve(listener)
//	err := agent.Run(ctx)                    // returns when ctx has ended and the leave is published
//	err = httpServer.Shutdown(drainContext)  // now finish what is in hand
package dataserver
