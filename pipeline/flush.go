package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// flushPause is the time between two attempts to publish the messages that failed.
const flushPause = 100 * time.Millisecond

// Flush publishes through p the unacked values of s, and then the values in the slice rest. Call it after s has stopped. If a message
// fails, Flush tries the messages behind it and then tries the failed message again, until ctx ends. The error states how many messages are
// lost.
func Flush[T any](ctx context.Context, p *TopicPublisher, s *Source[T], rest []T) error {
	pending, errs := s.messages(ctx, append(s.Unacked(), rest...))
	var cause error
	for len(pending) > 0 {
		failed, err := publishEach(ctx, p, pending)
		pending, cause = failed, cmp.Or(err, cause)
		if len(pending) > 0 && !sleep(ctx, flushPause) {
			errs = append(errs, fmt.Errorf("%d %s are lost, not published in time: %w", len(pending), p.kind, cause))
			break
		}
	}
	return errors.Join(errs...)
}

// publishEach tries to publish each message once, until ctx ends. It returns the messages that are not published, and the last error.
func publishEach(ctx context.Context, p *TopicPublisher, messages []*message.Message) (failed []*message.Message, cause error) {
	for _, msg := range messages {
		if ctx.Err() == nil {
			err := p.Publish(msg)
			if err == nil {
				continue
			}
			cause = err
		}
		failed = append(failed, msg)
	}
	return failed, cause
}

// messages encodes the values and returns one message for each. It returns an error for each value that cannot be encoded.
func (s *Source[T]) messages(ctx context.Context, values []T) (messages []*message.Message, errs []error) {
	for _, v := range values {
		id := ""
		if s.ID != nil {
			id = s.ID(v)
		}
		body, err := s.encode(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("message %s is lost: %w", id, err))
			continue
		}
		messages = append(messages, message.NewMessageWithContext(ctx, id, body))
	}
	return messages, errs
}

// sleep waits for d. It reports false if ctx ends first.
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
