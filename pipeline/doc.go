// Package pipeline passes messages from a Watermill subscriber through a chain of stages, and acks them.
//
//	nsqd ──▶ subscriber ──▶ Consume(chain): stage > stage > stage ──▶ ack, drop, reject or retry
//	ticker ─▶ Ticker ─────▶ Consume(chain)
//	channel ▶ Source ─────▶ Produce ──▶ publisher ──▶ nsqd
//
// A stage is one step of processing an Envelope. Only the subscriber and the publisher, at the two ends, use Watermill. One handler
// call runs all stages of a message, one after the other. The message is acked after the last stage, or after a stage that drops or
// rejects it. A topic between two stages would lose the order of the messages, would ack a message before the stages behind the topic
// have processed it, and would cost five times as much.
//
// OutcomeOf decides what the error of a stage means for the message.
package pipeline
