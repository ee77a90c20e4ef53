package nsqpubsub

import (
	"errors"
	"fmt"

	"github.com/nsqio/go-nsq"
)

// window is what is published on one connection. Nsqd answers in the order of publishing, and closes the connection after
// an answer that is an error.
//
// If it refuses one of several messages for good, the reset of the connection may outrun that answer. So after a loss for an
// unknown reason each message is published once more, alone.
type window struct {
	conn    *nsq.Conn
	waiting []publication // not sent yet
	sent    []publication // not answered yet
}

// sendWaiting sends what may be sent now.
func (w *window) sendWaiting() error {
	for len(w.waiting) > 0 {
		p := w.waiting[0]
		if alone := p.again || len(w.sent) > 0 && w.sent[0].again; alone && len(w.sent) > 0 {
			return nil
		}
		w.waiting = w.waiting[1:]
		w.sent = append(w.sent, p)
		if err := w.conn.WriteCommand(nsq.Publish(p.topic, p.body)); err != nil {
			return err
		}
	}
	return nil
}

// answered passes nsqd's answer on to who waits for it, and returns it.
func (w *window) answered(answer error) error {
	if len(w.sent) == 0 {
		return fmt.Errorf("unexpected answer: %w", answer)
	}
	w.sent[0].done <- answer
	w.sent = w.sent[1:]
	return answer
}

// reason returns why the connection was lost: nsqd's last answer if that is an error, of which a failed write is only the
// consequence, or else err.
func (w *window) reason(answers <-chan error, err error) error {
	for {
		select {
		case answer := <-answers:
			if err := w.answered(answer); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// unsent returns what is to be published on another connection, now that this one has ended with err. The rest is answered
// with err.
func (w *window) unsent(err error) []publication {
	left := append(w.sent, w.waiting...)
	switch {
	case errors.Is(err, ErrClosed):
		answerAll(left, err)
		return nil
	case errors.Is(err, ErrRefused): // nsqd has not read what came after the message that it refused
		return left
	case len(w.sent) == 1:
		w.sent[0].done <- err
		return w.waiting
	}
	for i := range left {
		left[i].again = true
	}
	return left
}

func answerAll(publications []publication, err error) {
	for _, p := range publications {
		p.done <- err
	}
}
