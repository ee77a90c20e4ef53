// Package supervisor runs the parts of a process and stops them in the reverse order of their start.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var errEnded = errors.New("ended unexpectedly")

// Stack runs parts. A part may depend on the parts that were started before it. Only Ended may be called concurrently with other methods.
type Stack struct {
	parts []*part
	ended chan struct{} // closed when any part has ended
	first error         // error of the part that ended first; set before ended is closed
	once  sync.Once
}

type part struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // result of the part; valid when done is closed
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
			err = errEnded // the end of a part is an error, because later parts may depend on this part, and all parts must stop
		}
		if err != nil {
			p.err = fmt.Errorf("%s: %w", name, err)
		}
		s.once.Do(func() { s.first = p.err; close(s.ended) })
	}()
}

// AtStop adds a step that Stop runs after all parts that were added later have stopped, and before it stops the parts that were added earlier.
func (s *Stack) AtStop(name string, step func() error) {
	s.Start(name, func(ctx context.Context) error {
		<-ctx.Done()
		return step()
	})
}

// Ended returns a channel that is closed when any part has ended.
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

// Stop stops the parts one after the other, in the reverse order of their start, and joins their errors. It sets no time limit: each part
// must limit the time that it takes to stop.
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
