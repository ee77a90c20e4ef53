// Package supervisor runs parts of which each relies on those before it, and stops them in the opposite order.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var errEnded = errors.New("ended by itself")

// Stack runs parts of which each relies on those before it, and stops them in the opposite order.
type Stack struct {
	parts []*part
	ended chan struct{} // closed when the first part has ended
	once  sync.Once
}

type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once done is closed
}

// New returns an empty stack.
func New() *Stack { return &Stack{ended: make(chan struct{})} }

// Start runs a part in a goroutine. Its context does not end with the caller's: only Stop ends it, in its turn.
func (s *Stack) Start(name string, run func(context.Context) error) {
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
		s.once.Do(func() { close(s.ended) })
	}()
}

// AtStop adds a step to the way down: it runs when all parts added after it have stopped.
func (s *Stack) AtStop(name string, step func() error) {
	s.Start(name, func(ctx context.Context) error {
		<-ctx.Done()
		return step()
	})
}

// Ended returns a channel that is closed when the first part has ended.
func (s *Stack) Ended() <-chan struct{} { return s.ended }

// Wait returns when ctx ends or a part does, and then stops all. The error is theirs, joined.
func (s *Stack) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.ended:
	}
	return s.Stop()
}

// Stop ends the parts, last one first, each before the next. Each part bounds its own end.
func (s *Stack) Stop() error {
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
