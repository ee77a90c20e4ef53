// Package supervisor runs the parts of a process and stops them in the reverse order of their start.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var errEnded = errors.New("ended unexpectedly")

// Stack runs parts, each of which may depend on the parts started before it. Its methods must not be called concurrently, except Ended.
type Stack struct {
	parts []*part
	ended chan struct{} // closed when the first part has ended
	first error         // of that part, set when ended is closed
	once  sync.Once
}

type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set when done is closed
}

// New returns an empty stack.
func New() *Stack { return &Stack{ended: make(chan struct{})} }

// Start runs a part in a goroutine until Stop ends the context of the part.
func (s *Stack) Start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, cancel: cancel, done: make(chan struct{})}
	s.parts = append(s.parts, p)
	go func() {
		defer close(p.done)
		err := run(ctx)
		if err == nil && ctx.Err() == nil {
			err = errEnded // later parts depend on it, so all must stop
		}
		if err != nil {
			p.err = fmt.Errorf("%s: %w", name, err)
		}
		s.once.Do(func() { s.first = p.err; close(s.ended) })
	}()
}

// AtStop adds a step that runs after all parts added later have stopped, and before the parts added earlier stop.
func (s *Stack) AtStop(name string, step func() error) {
	s.Start(name, func(ctx context.Context) error {
		<-ctx.Done()
		return step()
	})
}

// Ended returns a channel that is closed when the first part has ended.
func (s *Stack) Ended() <-chan struct{} { return s.ended }

// Err returns the error of the part that ended first. It must not be called before Ended is closed.
func (s *Stack) Err() error { return s.first }

// Wait waits until ctx or a part ends, and then calls Stop.
func (s *Stack) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.ended:
	}
	return s.Stop()
}

// Stop ends the parts one after the other, the last one first, and joins their errors. It sets no time limit: each part has its own.
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
