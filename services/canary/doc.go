// Package canary publishes canaries through every nsqd, so that the API server knows from which nsqd it receives messages.
//
//	Sender ── PublishTo, every second ──▶ nsqd A ──▶ consumer ──▶ stages ──▶ registry: messages arrive through A
//	       └─ PublishTo, every second ──▶ nsqd B ──▶ ...
//
// A canary takes the way of a heartbeat. If an nsqd accepts canaries and delivers none for 15 s, the consumer's connection
// to it is broken, and is rebuilt.
package canary
