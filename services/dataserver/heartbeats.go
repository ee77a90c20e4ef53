package dataserver

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"rollcall/events"
)

// publishHeartbeats publishes heartbeats one after the other until ctx ends. The time limit of each heartbeat ends before
// the next heartbeat is due, so heartbeats are neither late nor queued.
func (a *Agent) publishHeartbeats(ctx context.Context) {
	var start time.Time // when the agent began to publish the last heartbeat
	due := time.Now()
	for a.await(ctx, start, due) {
		start = time.Now()
		step := a.step()
		err := a.publish(ctx, step*9/10, events.KindHeartbeat)
		if ctx.Err() == nil {
			a.report(err)
		}
		if err != nil {
			step = min(burst, step)
		}
		due = start.Add(step)
	}
}

// step returns the time from the heartbeat that is due now to the next heartbeat.
func (a *Agent) step() time.Duration {
	if a.seq < 2 {
		return min(burst, a.cfg.Interval)
	}
	return time.Duration((1 + jitter*(2*rand.Float64()-1)) * float64(a.cfg.Interval))
}

// await waits until the next heartbeat is due. If the description changes, that heartbeat is due minGap (100 ms) after the
// time start of the previous heartbeat. await reports false if ctx has ended.
func (a *Agent) await(ctx context.Context, start, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-a.changed:
			timer.Reset(time.Until(start.Add(minGap)))
		case <-ctx.Done():
			return false
		}
	}
}

// report calls OnError for each failure, and OnRecovery for the first success after a failure.
func (a *Agent) report(err error) {
	recovered := err == nil && a.failing
	a.failing = err != nil
	if err != nil && a.cfg.OnError != nil {
		a.cfg.OnError(err)
	}
	if recovered && a.cfg.OnRecovery != nil {
		a.cfg.OnRecovery()
	}
}

func (a *Agent) leave(ctx context.Context) error {
	return a.publish(context.WithoutCancel(ctx), a.cfg.LeaveTimeout, events.KindLeave)
}

func (a *Agent) publish(ctx context.Context, limit time.Duration, kind events.Kind) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a.seq++
	body, err := json.Marshal(a.message(kind))
	if err == nil {
		err = a.publisher.Publish(ctx, a.cfg.Topic, body)
	}
	a.metrics.published(err, time.Now())
	if err != nil {
		return fmt.Errorf("dataserver: publish %s %d: %w", kind, a.seq, err)
	}
	return nil
}

func (a *Agent) message(kind events.Kind) events.Heartbeat {
	h := a.cfg.heartbeat(a.currentDescription())
	h.Type = kind
	h.Incarnation, h.Seq = a.incarnation.Load(), a.seq
	h.SentAt = time.Now().UTC().Truncate(time.Millisecond)
	if a.cfg.Load != nil {
		load := a.cfg.Load()
		h.Load = &load
	}
	return h
}
