// Package stages holds what an API server does with a message from the heartbeat topic: one stage a file. Heartbeats and
// Ticks, in stages.go, have the order of the stages.
package stages
