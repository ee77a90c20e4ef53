package nsqpubsub

import (
	"errors"
	"fmt"
	"time"

	"github.com/nsqio/go-nsq"
)

const (
	maxWaiting    = 64 // number of messages that are sent together
	reasonTimeout = 100 * time.Millisecond
)

// reply is what a producer receives: the response to its oldest unanswered command, a heartbeat, or the end of the connection.
type reply struct {
	err       error // nil for OK
	heartbeat bool
	lost      bool // whether the connection ended, because of err
}

// readReplies sends what arrives on the connection, in order, until the connection ends or the channel done is closed.
func readReplies(c *conn, replies chan<- reply, done <-chan struct{}) {
	for {
		r := readReply(c)
		select {
		case replies <- r:
		case <-done:
			return
		}
		if r.lost {
			return
		}
	}
}

func readReply(c *conn) reply {
	kind, data, err := c.readFrame()
	switch {
	case err != nil:
		return reply{err: err, lost: true}
	case isHeartbeat(kind, data):
		return reply{heartbeat: true}
	case kind == nsq.FrameTypeError:
		return reply{err: responseError(string(data))}
	case kind == nsq.FrameTypeResponse && string(data) == "OK":
		return reply{}
	}
	return reply{err: unexpected(kind, data), lost: true}
}

// sendQueue holds the messages that are published on one connection. nsqd responds in the order of publishing, and closes the
// connection after an error.
//
// If nsqd rejects one of several messages, the connection can be reset before the error response arrives, so it is not known which
// message nsqd rejected. If a connection with several unanswered messages is lost for an unknown reason, each of these messages is
// published once more, alone.
type sendQueue struct {
	conn    *conn
	waiting []publication // messages that are not sent yet
	sent    []publication // messages that are sent and have no response yet
}

// send sends the waiting messages in order, with one write if they are small. A message that is sent again is sent alone: send stops before
// it, and after it, until there is a response to what was sent before.
func (q *sendQueue) send() error {
	if len(q.waiting) == 0 {
		return nil
	}
	for len(q.waiting) > 0 {
		p := q.waiting[0]
		if alone := p.again || len(q.sent) > 0 && q.sent[0].again; alone && len(q.sent) > 0 {
			break
		}
		q.waiting = q.waiting[1:]
		q.sent = append(q.sent, p)
		command, err := p.command()
		if err == nil {
			err = q.conn.add(command)
		}
		if err != nil {
			return err
		}
	}
	return q.conn.flush()
}

// handle handles what has arrived on the connection. It returns an error if the connection is lost.
func (q *sendQueue) handle(r reply) error {
	switch {
	case r.lost:
		return r.err
	case r.heartbeat:
		return q.conn.send(nsq.Nop())
	case len(q.sent) == 0:
		return fmt.Errorf("%w: response without a command: %v", errProtocol, r.err)
	}
	q.sent[0].done <- r.err
	q.sent = q.sent[1:]
	return r.err // nsqd closes the connection after an error response
}

// reason returns why a write has failed with err: the error response of nsqd if one arrives, else err. nsqd closes the connection after an
// error response, so err is then only the consequence.
func (q *sendQueue) reason(replies <-chan reply, err error) error {
	timeout := time.After(reasonTimeout)
	for {
		select {
		case r := <-replies:
			if r.lost {
				return err
			}
			if r.heartbeat {
				continue
			}
			if err := q.handle(r); err != nil {
				return err
			}
		case <-timeout:
			return err
		}
	}
}

// unsent returns the messages to publish on the next connection, after this one was lost with err. It completes the other messages with
// err.
func (q *sendQueue) unsent(err error) []publication {
	left := append(q.sent, q.waiting...)
	switch {
	case errors.Is(err, ErrClosed):
		completeAll(left, err)
		return nil
	case errors.Is(err, ErrUnpublishable): // nsqd has not read the messages after the rejected one, so they can be sent again
		return left
	case len(q.sent) == 1:
		q.sent[0].done <- err
		return q.waiting
	}
	for i := range left {
		left[i].again = true
	}
	return left
}

func completeAll(publications []publication, err error) {
	for _, p := range publications {
		p.done <- err
	}
}
