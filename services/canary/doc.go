// Package canary shows an API server through which nsqd it hears.
//
//	Sender ── PublishTo, each second ──▶ nsqd A ──▶ consumer ──▶ stages ──▶ registry: I hear through A
//	       └─ PublishTo, each second ──▶ nsqd B ──▶ ...
//
// A canary takes the way of a heartbeat. Where none comes back for 15 s though nsqd takes them, the consumer's connection
// is at fault, and is rebuilt.
package canary
