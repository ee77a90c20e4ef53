// Package pipeline is how a message travels: from a Watermill subscriber, through a chain of stages,
// to its ack.
//
//	nsqd ──▶ subscriber ──▶ Consume(chain): stage > stage > stage ──▶ ack, drop, reject or retry
//	ticker ─▶ Ticker ─────▶ Consume(chain)
//	channel ▶ Source ─────▶ Produce ──▶ publisher ──▶ nsqd
//
// A stage is a typed step over an Envelope; Watermill is only at the edges. All stages of a message
// run one after the other inside one handler call, and the message is acked once, when the last one has
// succeeded: topics between stages would lose the order, ack before the end, and cost five times as much.
//
// What the error of a stage means for its message is decided in one place, OutcomeOf.
package pipeline
