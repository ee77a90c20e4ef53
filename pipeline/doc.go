// Package pipeline passes messages from a Watermill subscriber through a chain of stages, and acks them.
//
//	nsqd ──▶ subscriber ──▶ Consume(chain): stage > stage > stage ──▶ ack, drop, reject or retry
//	ticker ─▶ Ticker ─────▶ Consume(chain)
//	channel ▶ Source ─────▶ Produce ──▶ publisher ──▶ nsqd
//
// A stage is a step with an Envelope as its argument; only the two ends use Watermill. All stages of a message run in one
// handler call, one after the other, and the message is acked when the last one has succeeded. Topics between the stages
// would lose the order, ack messages too early, and cost five times as much.
//
// OutcomeOf decides what the error of a stage means for the message.
package pipeline
