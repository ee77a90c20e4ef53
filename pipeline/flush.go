package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// flushPause is the time between two attempts to publish the batches that failed.
const flushPause = 100 * time.Millisecond

// flushBatch is the number of messages that Flush publishes together.
const flushBatch = 256

// Flush publishes through p the unacked values of s, and then the values in the slice rest, in batches. Call it after s has stopped. If a
// batch fails, Flush tries the batches behind it and then tries the failed batch again, until ctx ends. The error states how many messages
// are lost.
func Flush[T any](ctx context.Context, p *TopicPublisher, s *Source[T], rest []T) error {
	messages, errs := s.messages(append(s.Unacked(), rest...))
	for i, err := range errs {
		errs[i] = fmt.Errorf("lost: %w", err)
	}
	for _, msg := range messages {
		msg.SetContext(ctx)
	}
	var cause error
	for pending := slices.Collect(slices.Chunk(messages, flushBatch)); len(pending) > 0; {
		failed, err := publishEach(ctx, p, pending)
		pending, cause = failed, cmp.Or(err, cause)
		if len(pending) > 0 && !sleep(ctx, flushPause) {
			errs = append(errs, fmt.Errorf("%d %s are lost, not published in time: %w", len(slices.Concat(pending...)), p.kind, cause))
			break
		}
	}
	return errors.Join(errs...)
}

// publishEach tries to publish each batch once, until ctx ends. It returns the batches that are not published, and the last error.
func publishEach(ctx context.Context, p *TopicPublisher, batches [][]*message.Message) (failed [][]*message.Message, cause error) {
	for _, batch := range batches {
		if ctx.Err() == nil {
			err := p.Publish(batch...)
			if err == nil {
				continue
			}
			cause = err
		}
		failed = append(failed, batch)
	}
	return failed, cause
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
