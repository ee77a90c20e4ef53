// Package canary publishes canaries through every nsqd, so that the API server knows from which nsqd it receives messages.
//
//	Sender ── PublishTo, every second ──▶ nsqd A ──▶ consumer ──▶ stages ──▶ registry: messages arrive through A
//	       └─ PublishTo, every second ──▶ nsqd B ──▶ ...
//
// A canary takes the same way as a heartbeat. If an nsqd accepts canaries and delivers no message for 15 s, the consumer's
// connection to this nsqd is broken, and Sender rebuilds it.
package canary
