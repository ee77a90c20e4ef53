// Package stages has the stages through which an API server passes a message from the heartbeat topic, each in its own file.
// The functions Heartbeats and Ticks, in stages.go, define the order of the stages.
package stages
