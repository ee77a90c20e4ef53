package nsqpubsub

import (
	"errors"
	"fmt"

	"github.com/nsqio/go-nsq"
)

// sendQueue holds the messages that are published on one connection. nsqd responds in the order of publishing, and closes the
// connection after an error.
//
// If nsqd rejects one of several messages, the connection can be reset before the error response arrives, so it is not known which
// message nsqd rejected. If a connection with several unanswered messages is lost for an unknown reason, each of these messages is
// published once more, alone.
type sendQueue struct {
	conn    *nsq.Conn
	waiting []publication // messages that are not sent yet
	sent    []publication // messages that are sent and have no response yet
}

// send sends the waiting messages in order. A message that is sent again is sent alone: send stops before it, and after it, until there
// is a response to what was sent before.
func (q *sendQueue) send() error {
	for len(q.waiting) > 0 {
		p := q.waiting[0]
		if alone := p.again || len(q.sent) > 0 && q.sent[0].again; alone && len(q.sent) > 0 {
			return nil
		}
		q.waiting = q.waiting[1:]
		q.sent = append(q.sent, p)
		command, err := p.command()
		if err == nil {
			err = q.conn.WriteCommand(command)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// complete passes nsqd's response, nil or an error, to the publisher of the oldest message that has no response yet. It returns the
// response.
func (q *sendQueue) complete(response error) error {
	if len(q.sent) == 0 {
		return fmt.Errorf("unexpected response: %w", response)
	}
	q.sent[0].done <- response
	q.sent = q.sent[1:]
	return response
}

// reason returns why the connection was lost: the error response of nsqd if there is one, else err. nsqd closes the connection after an
// error response, so err is then only the consequence.
func (q *sendQueue) reason(responses <-chan error, err error) error {
	for {
		select {
		case response := <-responses:
			if err := q.complete(response); err != nil {
				return err
			}
		default:
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
