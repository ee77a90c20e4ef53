package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"rollcall/events"
	"rollcall/pipeline"
)

const (
	flushTimeout = 2 * time.Second // bounds the last publishing of events at the stop
	flushPause   = 100 * time.Millisecond
)

// flush publishes what the router did not get to. An event that fails is tried again after those behind it. What no broker
// takes in time is lost, and the error says so.
func (r *roll) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	left, errs := encodeAll(ctx, append(r.events.Unacked(), r.registry.Unsent()...))
	var cause error
	for len(left) > 0 {
		failed, err := publishAll(ctx, r.outlet, left)
		left, cause = failed, cmp.Or(err, cause)
		if len(left) > 0 && !sleep(ctx, flushPause) {
			errs = append(errs, fmt.Errorf("%d events are lost, not published within %v: %w", len(left), flushTimeout, cause))
			break
		}
	}
	return errors.Join(errs...)
}

// publishAll tries each message once, as long as ctx holds. It returns those that are not published, and the last failure.
func publishAll(ctx context.Context, o *pipeline.TopicPublisher, messages []*message.Message) (failed []*message.Message, cause error) {
	for _, msg := range messages {
		if ctx.Err() == nil {
			err := o.Publish(msg)
			if err == nil {
				continue
			}
			cause = err
		}
		failed = append(failed, msg)
	}
	return failed, cause
}

// encodeAll returns an error for each event that cannot be encoded.
func encodeAll(ctx context.Context, all []events.Event) (messages []*message.Message, errs []error) {
	for _, e := range all {
		body, err := events.Encode(e)
		if err != nil {
			errs = append(errs, fmt.Errorf("event %s is lost: %w", e.Details().ID, err))
			continue
		}
		messages = append(messages, message.NewMessageWithContext(ctx, e.Details().ID, body))
	}
	return messages, errs
}

// sleep reports whether ctx still holds after d.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
