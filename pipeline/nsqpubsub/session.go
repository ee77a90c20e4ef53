package nsqpubsub

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nsqio/go-nsq"
)

const (
	maxAnswers = 64 // number of FIN and REQ after which they are written even if further messages wait in the read buffer

	retireDelay      = time.Second
	closeWaitTimeout = time.Second
	closeLinger      = 25 * time.Millisecond
)

// session is a connection of a consumerConn from its subscription to its end.
//
//	read    one goroutine reads messages, and passes those that arrived together to a handler as one batch
//	answer  the handlers add FIN and REQ to the pending commands
//	run     one goroutine writes the pending commands, all with one system call, and ends the connection
//
// Pending commands are written when no message waits in the read buffer, or when 64 of them (maxAnswers) are FIN and REQ. So the messages of
// a full read buffer are finished with few writes, and a message that is handled while nothing arrives is finished at once.
type session struct {
	n         *consumerConn
	conn      *conn
	start     time.Time
	lost      chan error    // receives the reason why reading has ended; capacity 1
	closeWait chan struct{} // closed when nsqd has agreed to send no more messages
	ended     chan struct{} // closed when the connection is closed
	wake      chan struct{} // receives when there are pending commands to write; capacity 1

	mu         sync.Mutex
	pending    *bytes.Buffer // commands that are not written yet
	written    *bytes.Buffer // used by the writing goroutine only
	answers    int           // number of FIN and REQ in pending
	nop        bool          // whether NOP is in pending
	idle       bool          // whether the reading goroutine waits
	closing    bool          // whether nsqd was asked to send no more messages
	unanswered int           // number of messages that handlers have, or that wait for a handler
	answered   chan struct{} // closed when "unanswered" becomes 0, but nil while further messages may arrive
}

func newSession(n *consumerConn, c *conn) *session {
	return &session{
		n:         n,
		conn:      c,
		start:     time.Now(),
		lost:      make(chan error, 1),
		closeWait: make(chan struct{}),
		ended:     make(chan struct{}),
		wake:      make(chan struct{}, 1),
		pending:   new(bytes.Buffer),
		written:   new(bytes.Buffer),
	}
}

// run receives messages until the connection is lost or ctx ends. It returns when the connection is closed, with the reason if it was lost.
// When ctx ends, run makes nsqd stop sending, and waits until the handlers have returned that have messages of the connection.
func (s *session) run(ctx context.Context) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	defer s.conn.close()
	defer close(s.ended)
	reading.Go(func() { s.lost <- s.read() })
	if err := s.writeUntil(ctx.Done(), nil); err != nil {
		return err
	}
	_ = s.retire() // the reason does not matter, because the connection is not needed any more
	return nil
}

// writeUntil writes pending commands until one of the channels is ready, or the connection is lost.
func (s *session) writeUntil(done <-chan struct{}, timeout <-chan time.Time) error {
	for {
		if err := s.flush(); err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-done:
			return nil
		case <-timeout:
			return nil
		case err := <-s.lost:
			return err
		}
	}
}

// retire ends a connection that is no longer needed. First it makes nsqd send no more messages. Then it waits for 1 s (retireDelay), so that
// the connection that replaces this one can subscribe first: nsqd deletes an ephemeral channel, with the messages in it, when its last
// consumer disconnects. It does not wait if no connection replaces this one, because the context n.alive has ended.
//
// nsqd requeues a message that it has sent to a closed connection only after its message timeout of 60 s. So retire closes the connection
// only after nsqd's response CLOSE_WAIT and another 25 ms (closeLinger), because nsqd can send one more message right after that response,
// and when all messages are answered.
func (s *session) retire() error {
	s.command(nsq.Ready(0))
	if err := s.writeUntil(s.n.alive.Done(), time.After(retireDelay)); err != nil {
		return err
	}
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.command(nsq.StartClose())
	if err := s.writeUntil(s.closeWait, time.After(closeWaitTimeout)); err != nil {
		return err
	}
	if err := s.writeUntil(nil, time.After(closeLinger)); err != nil {
		return err
	}
	if err := s.writeUntil(s.whenAnswered(), nil); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.conn.closeWrite()
	return s.writeUntil(nil, time.After(closeLinger)) // until nsqd has read everything and closes the connection too
}

// whenAnswered returns a channel that is closed when all messages that have arrived until now are answered.
func (s *session) whenAnswered() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = make(chan struct{})
	if s.unanswered == 0 {
		close(s.answered)
	}
	return s.answered
}

// setReady sets the number of unfinished messages that nsqd may have sent on the connection.
func (s *session) setReady(n int64) { s.command(nsq.Ready(int(min(n, s.conn.maxRDY)))) }

// command makes the writing goroutine write the command soon. It does not block.
func (s *session) command(cmd *nsq.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = cmd.WriteTo(s.pending) // a bytes.Buffer returns no error
	s.wakeWriter()
}

func (s *session) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// flush writes the pending commands. Only the writing goroutine calls it.
func (s *session) flush() error {
	s.mu.Lock()
	s.pending, s.written = s.written, s.pending
	s.answers, s.nop = 0, false
	s.mu.Unlock()
	if s.written.Len() == 0 {
		return nil
	}
	defer s.written.Reset()
	return s.conn.write(s.written.Bytes())
}

// answer finishes the messages of the batch, except those with the mark "retry": nsqd delivers these again after the delay. It does not
// block.
func (s *session) answer(batch []Delivery, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		cmd := nsq.Finish(batch[i].ID)
		if batch[i].retry {
			cmd = nsq.Requeue(batch[i].ID, delay)
		}
		_, _ = cmd.WriteTo(s.pending)
	}
	s.answers += len(batch)
	s.unanswered -= len(batch)
	if s.answered != nil && s.unanswered == 0 {
		close(s.answered)
		s.answered = nil
	}
	if s.idle || s.answers >= maxAnswers {
		s.wakeWriter()
	}
}

// read reads frames until the connection is closed, and returns the reason.
func (s *session) read() error {
	most := s.n.c.cfg.Batch
	batch := make([]Delivery, 0, most)
	for {
		waits := !s.conn.hasFrame()
		if len(batch) > 0 && (waits || len(batch) == most) {
			s.deliver(slices.Clone(batch)) // a clone, because a handled Watermill message can still refer to it
			clear(batch)
			batch = batch[:0]
		}
		if waits {
			s.setIdle(true)
		}
		kind, data, err := s.conn.readFrame()
		if waits {
			s.setIdle(false)
		}
		switch {
		case err != nil:
			return err
		case kind == nsq.FrameTypeMessage:
			m, err := nsq.DecodeMessage(data)
			if err != nil {
				return fmt.Errorf("%w: %w", errProtocol, err)
			}
			batch = append(batch, Delivery{
				ID:        m.ID,
				Body:      bytes.Clone(m.Body),
				Timestamp: time.Unix(0, m.Timestamp),
				Attempts:  m.Attempts,
				NSQD:      s.n.addr,
			})
		default:
			if err := s.respond(kind, data); err != nil {
				return err
			}
		}
	}
}

// setIdle records whether the reading goroutine waits. Pending commands are written while it waits.
func (s *session) setIdle(idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = idle
	if idle && s.pending.Len() > 0 {
		s.wakeWriter()
	}
}

// deliver passes the batch to a handler. If all handlers are busy, the batch waits in the queue of the Consumer.
func (s *session) deliver(batch []Delivery) {
	s.n.countReceived(len(batch))
	s.mu.Lock()
	s.unanswered += len(batch)
	s.mu.Unlock()
	d := delivered{session: s, batch: batch}
	select {
	case s.n.c.queue <- d:
		return
	default:
	}
	s.setIdle(true)
	defer s.setIdle(false)
	select {
	case s.n.c.queue <- d:
	case <-s.ended: // nsqd delivers the messages again
	}
}

// respond handles a frame that is not a message. It returns an error if the connection must be closed: nsqd closes the connection after
// an error, except after an error about a message that has timed out.
func (s *session) respond(kind int32, data []byte) error {
	switch text := string(data); {
	case isHeartbeat(kind, data):
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.nop {
			s.nop = true
			_, _ = nsq.Nop().WriteTo(s.pending)
		}
		return nil
	case kind == nsq.FrameTypeResponse && text == "CLOSE_WAIT" && s.agreedToClose():
		close(s.closeWait)
		return nil
	case kind == nsq.FrameTypeError:
		for _, harmless := range []string{"E_FIN_FAILED", "E_REQ_FAILED", "E_TOUCH_FAILED"} {
			if strings.HasPrefix(text, harmless) {
				return nil
			}
		}
		return responseError(text)
	}
	return unexpected(kind, data)
}

// agreedToClose reports whether the response CLOSE_WAIT was asked for, and has not arrived before.
func (s *session) agreedToClose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.closing
	s.closing = false
	return asked
}
