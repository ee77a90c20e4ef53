package nsqpubsub

import (
	"errors"

	"github.com/nsqio/go-nsq"
)

// delegate is the nsq.ConnDelegate of one connection. go-nsq calls all methods from one goroutine, except OnIOError and
// OnClose.
//
// This package uses go-nsq's Conn and not its Consumer and Producer. The Consumer panics if it is stopped while it connects,
// the Producer has a data race when it reconnects, and both hang if nsqd hangs.
type delegate struct {
	onMessage  func(*nsq.Message)
	onResponse func(error) // called with the response to a command: nil for OK, else an error

	lost      chan error    // receives the first error of the connection; its capacity is 1
	closeWait chan struct{} // closed when nsqd has agreed to send no more messages
	closed    chan struct{} // closed when go-nsq has released the connection
}

func newDelegate(onMessage func(*nsq.Message), onResponse func(error)) *delegate {
	return &delegate{
		onMessage:  onMessage,
		onResponse: onResponse,
		lost:       make(chan error, 1),
		closeWait:  make(chan struct{}),
		closed:     make(chan struct{}),
	}
}

// fail sends err to d.lost as the reason why the connection is lost, unless another error waits there already.
func (d *delegate) fail(err error) {
	select {
	case d.lost <- err:
	default:
	}
}

func (d *delegate) OnResponse(_ *nsq.Conn, data []byte) {
	switch string(data) {
	case "OK":
		d.onResponse(nil)
	case "CLOSE_WAIT":
		close(d.closeWait)
	}
}

func (d *delegate) OnError(_ *nsq.Conn, data []byte)      { d.onResponse(responseError(string(data))) }
func (d *delegate) OnMessage(_ *nsq.Conn, m *nsq.Message) { d.onMessage(m) }

func (d *delegate) OnIOError(c *nsq.Conn, err error) {
	d.fail(err)
	_ = c.Close()
}

func (d *delegate) OnClose(*nsq.Conn) {
	d.fail(errors.New("connection closed"))
	close(d.closed)
}

func (d *delegate) OnMessageFinished(*nsq.Conn, *nsq.Message) {}
func (d *delegate) OnMessageRequeued(*nsq.Conn, *nsq.Message) {}
func (d *delegate) OnBackoff(*nsq.Conn)                       {}
func (d *delegate) OnContinue(*nsq.Conn)                      {}
func (d *delegate) OnResume(*nsq.Conn)                        {}
func (d *delegate) OnHeartbeat(*nsq.Conn)                     {}
