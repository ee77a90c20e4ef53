// Package dataserver registers a server: an Agent publishes its heartbeats on NSQ, and Server is a small HTTP
// server that runs an Agent.
//
//	start        +1 s         +2 s          each interval, 10 % more or less          ctx ends
//	  |            |            |                |               |                      |
//	heartbeat 1  heartbeat 2  heartbeat 3  ... heartbeat n   heartbeat n+1 ...        leave n+2
//
// Each message carries the incarnation (the time at which the agent started) and a sequence number. From these an
// API server learns the order of the messages and notices a restart, although NSQ may reorder and repeat messages.
// The first heartbeats follow each other quickly, so that a server is registered within seconds even if a message is lost.
//
// A server publishes its leave first and stops serving afterwards:
//
//	go httpServer.Serve(listener)
//	err := agent.Run(ctx)                    // returns after ctx has ended and the leave is published
//	err = httpServer.Shutdown(drainContext)  // finish the requests in flight
//
// README.md in this folder is for users.
package dataserver
