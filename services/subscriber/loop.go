package subscriber

import (
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// loop owns the state of a running subscriber and calls the functions of the user.
type loop struct {
	cfg     Config
	handle  Handler
	inbox   chan arrival
	gaps    gaps
	handled handled
}

// arrival is a message that waits for its handler.
type arrival struct {
	body []byte
	done chan error // receives the handler's result; capacity 1
}

func newLoop(cfg Config, h Handler) *loop {
	return &loop{
		cfg:     cfg,
		handle:  h,
		inbox:   make(chan arrival),
		gaps:    newGaps(cfg.Grace),
		handled: newHandled(cfg.Memory),
	}
}

// deliver passes a message to the loop and returns the handler's result.
func (l *loop) deliver(ctx context.Context, d *nsqpubsub.Delivery) error {
	a := arrival{d.Body, make(chan error, 1)}
	select {
	case l.inbox <- a:
		return <-a.done // the loop completes every message that it took
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run handles messages until it receives a value from the channel ended, and returns that value.
func (l *loop) run(ctx context.Context, ended <-chan error) error {
	// The variable now is the clock that measures Config.Grace. It stands still while the functions of the user run: a
	// revision that arrives meanwhile has to wait for them, so it must not count as missing.
	var now time.Duration
	for {
		var a arrival
		waiting := time.Now()
		select {
		case a = <-l.inbox:
		case <-l.alarm(now):
		case err := <-ended:
			return err
		}
		now += time.Since(waiting)
		if a.done != nil {
			a.done <- l.receive(ctx, a.body, now)
		}
		for _, gap := range l.gaps.overdue(now) {
			l.cfg.OnGap(gap)
		}
	}
}

// alarm returns a channel that fires when the next gap is due. It returns nil if nothing is missing.
func (l *loop) alarm(now time.Duration) <-chan time.Time {
	due, ok := l.gaps.due()
	if !ok {
		return nil
	}
	return time.After(due - now)
}

// receive handles one message. If it returns an error, NSQ delivers the message again.
func (l *loop) receive(ctx context.Context, body []byte, now time.Duration) error {
	e, err := events.Decode(body)
	if err != nil {
		l.cfg.OnSkipped(err, body)
		return nil
	}
	t := e.Details()
	if l.cfg.OnGap != nil && l.gaps.observe(t, now) {
		l.cfg.OnGap(Gap{Observer: t.Observer, Restarted: true})
	}
	if l.handled.has(t) {
		return nil
	}
	if err := l.handle(ctx, e); err != nil {
		return err
	}
	l.handled.add(e)
	return nil
}
