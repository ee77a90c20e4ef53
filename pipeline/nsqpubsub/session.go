package nsqpubsub

import (
	"errors"

	"github.com/nsqio/go-nsq"
)

// session is what happens on one connection to nsqd. Go-nsq calls its On… methods, all from one goroutine
// but OnIOError and OnClose.
//
// It stands on go-nsq's Conn because neither Consumer nor Producer can be left alone with one nsqd: the
// first panics if stopped while it connects, the second races with itself when it connects again, and
// both hang with an nsqd that hangs.
type session struct {
	message func(*nsq.Message)
	answer  func(error) // to a command that is answered; nil is OK

	lost   chan error    // capacity 1, the first reason
	left   chan struct{} // closed when nsqd has agreed to send no more messages
	closed chan struct{} // closed when nothing of the connection is left
}

func newSession(message func(*nsq.Message), answer func(error)) *session {
	return &session{
		message: message,
		answer:  answer,
		lost:    make(chan error, 1),
		left:    make(chan struct{}),
		closed:  make(chan struct{}),
	}
}

// end gives the reason why the connection is of no more use.
func (s *session) end(err error) {
	select {
	case s.lost <- err:
	default:
	}
}

func (s *session) OnResponse(_ *nsq.Conn, data []byte) {
	switch string(data) {
	case "OK":
		s.answer(nil)
	case "CLOSE_WAIT":
		close(s.left)
	}
}

func (s *session) OnError(_ *nsq.Conn, data []byte)      { s.answer(answerError(string(data))) }
func (s *session) OnMessage(_ *nsq.Conn, m *nsq.Message) { s.message(m) }

func (s *session) OnIOError(c *nsq.Conn, err error) {
	s.end(err)
	_ = c.Close()
}

func (s *session) OnClose(*nsq.Conn) {
	s.end(errors.New("connection closed"))
	close(s.closed)
}

func (s *session) OnMessageFinished(*nsq.Conn, *nsq.Message) {}
func (s *session) OnMessageRequeued(*nsq.Conn, *nsq.Message) {}
func (s *session) OnBackoff(*nsq.Conn)                       {}
func (s *session) OnContinue(*nsq.Conn)                      {}
func (s *session) OnResume(*nsq.Conn)                        {}
func (s *session) OnHeartbeat(*nsq.Conn)                     {}
