package subscriber

import (
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
)

// loop owns what a running subscriber remembers, and calls every function of the user's.
type loop struct {
	cfg    Config
	handle Handler
	inbox  chan arrival
	gaps   gaps
	fold   fold
}

// arrival is a message that waits for its fate.
type arrival struct {
	body []byte
	done chan error // capacity 1
}

func newLoop(cfg Config, h Handler) *loop {
	return &loop{
		cfg:    cfg,
		handle: h,
		inbox:  make(chan arrival),
		gaps:   newGaps(cfg.Grace),
		fold:   newFold(cfg.Memory),
	}
}

// deliver hands a message to the loop and returns what came of it.
func (l *loop) deliver(ctx context.Context, d *nsqpubsub.Delivery) error {
	a := arrival{d.Body, make(chan error, 1)}
	select {
	case l.inbox <- a:
		return <-a.done // what the loop took it answers
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run returns what ended carries.
func (l *loop) run(ctx context.Context, ended <-chan error) error {
	// The grace has a clock of its own, which stands still while the user's functions run: a revision that waits
	// behind them is not missing.
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

// alarm fires when the next gap is due, and is nil while there is none.
func (l *loop) alarm(now time.Duration) <-chan time.Time {
	due, ok := l.gaps.due()
	if !ok {
		return nil
	}
	return time.After(due - now)
}

// receive takes one message; its error has the message delivered again.
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
	if l.fold.has(t) {
		return nil
	}
	if err := l.handle(ctx, e); err != nil {
		return err
	}
	l.fold.remember(e)
	return nil
}
