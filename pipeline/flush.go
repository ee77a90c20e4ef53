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
	var errs []error
	var failed [][]*message.Message
	var cause error
	lost := 0
	for values := range slices.Chunk(append(s.Unacked(), rest...), flushBatch) {
		if ctx.Err() != nil {
			lost += len(values)
			continue
		}
		batch, invalid := s.messages(values)
		for _, err := range invalid {
			errs = append(errs, fmt.Errorf("lost: %w", err))
		}
		for _, msg := range batch {
			msg.SetContext(ctx)
		}
		if err := p.Publish(batch...); err != nil {
			failed, cause = append(failed, batch), err
		}
	}
	for len(failed) > 0 && sleep(ctx, flushPause) {
		failed = slices.DeleteFunc(failed, func(batch []*message.Message) bool {
			if ctx.Err() != nil {
				return false
			}
			err := p.Publish(batch...)
			cause = cmp.Or(err, cause)
			return err == nil
		})
	}
	if lost += len(slices.Concat(failed...)); lost > 0 {
		errs = append(errs, fmt.Errorf("%d %s are lost, not published in time: %w", lost, p.kind, cmp.Or(cause, ctx.Err())))
	}
	return errors.Join(errs...)
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
