package app

import (
	"context"
	"errors"
	"fmt"
)

var errEnded = errors.New("ended by itself")

// stack runs parts of which each relies on those before it, and stops them in the opposite order.
type stack struct {
	parts []*part
	ended chan *part // parts that ended by themselves
}

type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once done is closed
}

func newStack() *stack { return &stack{ended: make(chan *part, 16)} }

// start runs a part in a goroutine. Its context does not end with the caller's: only stop ends it, in its turn.
func (s *stack) start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, cancel: cancel, done: make(chan struct{})}
	s.parts = append(s.parts, p)
	go func() {
		defer close(p.done)
		err := run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errEnded // those after it must not rely on it any more, and somebody must be told why
		}
		if err != nil {
			p.err = fmt.Errorf("%s: %w", name, err)
		}
		select {
		case s.ended <- p:
		default: // the first one is enough
		}
	}()
}

// atStop adds a step to the way down: it runs when all parts added after it have stopped.
func (s *stack) atStop(name string, step func() error) {
	s.start(name, func(ctx context.Context) error {
		<-ctx.Done()
		return step()
	})
}

// wait returns when ctx ends or a part does, and then stops all. The error is theirs, joined.
func (s *stack) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.ended:
	}
	return s.stop()
}

// stop ends the parts, last one first, each before the next. Each part bounds its own end.
func (s *stack) stop() error {
	var errs []error
	for i := len(s.parts) - 1; i >= 0; i-- {
		p := s.parts[i]
		p.cancel()
		<-p.done
		errs = append(errs, p.err)
	}
	s.parts = nil
	return errors.Join(errs...)
}
