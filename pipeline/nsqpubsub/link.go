package nsqpubsub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

const reconnectDelay = 500 * time.Millisecond

// link keeps a consumer connected to one nsqd.
//
//	connect --ok--> subscribe --OK--> connected --error, silence--> lost --delay--> connect
//	   \---------------- error -----------------------------------/
type link struct {
	c    *Consumer
	addr string
	end  context.CancelFunc

	tried    chan struct{} // closed when the first attempt has come to something
	triedOne sync.Once

	inFlight atomic.Int64 // what nsqd may send before it hears of messages handled
	resized  chan struct{}

	connected   atomic.Bool
	received    atomic.Uint64
	lastMessage atomic.Int64 // Unix nanoseconds
	failure     atomic.Pointer[error]
}

func (l *link) run(ctx context.Context) {
	defer l.settle()
	for {
		err := l.session(ctx)
		l.connected.Store(false)
		if ctx.Err() != nil {
			return
		}
		if l.failure.Swap(&err) == nil {
			l.log().Error("no connection to nsqd", err, nil)
		}
		l.settle()
		if !pause(ctx, jitter(reconnectDelay)) {
			return
		}
	}
}

// session connects, subscribes and returns when the connection is lost or ctx ends. The messages that
// came through it may still be handled then: the connection outlives the session until they are.
func (l *link) session(ctx context.Context) error {
	var s *session
	s = newSession(l.message, func(err error) { l.answer(s, err) })
	conn, err := s.connect(ctx, l.addr, l.c.conf, l.c.cfg.Logger)
	if err != nil {
		return err
	}
	l.c.links.Go(func() { <-s.closed })
	defer conn.Close()
	if err := conn.WriteCommand(nsq.Subscribe(l.c.cfg.Topic, l.c.cfg.Channel)); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for {
		ready := min(l.inFlight.Load(), conn.MaxRDY())
		if err := conn.WriteCommand(nsq.Ready(int(ready))); err != nil {
			return err
		}
		select {
		case <-l.resized:
		case err := <-s.lost:
			return err
		case <-ctx.Done():
			return leave(s, conn)
		}
	}
}

const (
	leaveTimeout = time.Second
	leaveLinger  = 25 * time.Millisecond
)

// leave has nsqd stop sending before the connection is closed: what arrives until then is given back at
// once, and what would arrive later nsqd missed for its message timeout of 60 s. A message that nsqd's
// pump had in hand when it agreed comes a moment later.
func leave(s *session, conn *nsq.Conn) error {
	if err := conn.WriteCommand(nsq.StartClose()); err != nil {
		return err
	}
	timeout := time.NewTimer(leaveTimeout)
	defer timeout.Stop()
	select {
	case <-s.left:
		timeout.Reset(leaveLinger)
		<-timeout.C
		return nil
	case err := <-s.lost:
		return err
	case <-timeout.C:
		return ErrTimeout
	}
}

// answer hears of the subscription, the only command that is answered if all goes well. Nsqd closes the
// connection after an error, unless that is about a message that it no longer waits for.
func (l *link) answer(s *session, err error) {
	if err == nil {
		l.failure.Store(nil)
		l.connected.Store(true)
		l.settle()
		l.log().Info("connected to nsqd", nil)
		return
	}
	for _, harmless := range []string{"E_FIN_FAILED", "E_REQ_FAILED", "E_TOUCH_FAILED"} {
		if strings.HasPrefix(err.Error(), harmless) {
			return
		}
	}
	s.end(err)
}

func (l *link) message(m *nsq.Message) {
	l.received.Add(1)
	l.lastMessage.Store(time.Now().UnixNano())
	l.c.queue <- m // handlers drain it as long as there are connections
}

func (l *link) settle() { l.triedOne.Do(func() { close(l.tried) }) }

// allow sets how many messages may be in flight from this nsqd.
func (l *link) allow(n int) {
	if l.inFlight.Swap(int64(n)) == int64(n) {
		return
	}
	select {
	case l.resized <- struct{}{}:
	default:
	}
}

func (l *link) state() ConsumerNode {
	n := ConsumerNode{
		Topic:     l.c.cfg.Topic,
		Address:   l.addr,
		Connected: l.connected.Load(),
		Received:  l.received.Load(),
	}
	if at := l.lastMessage.Load(); at != 0 {
		n.LastMessage = time.Unix(0, at)
	}
	if err := l.failure.Load(); err != nil {
		n.Err = *err
	}
	return n
}

func (l *link) log() watermill.LoggerAdapter {
	return l.c.cfg.Logger.With(watermill.LogFields{
		"nsqd": l.addr, "topic": l.c.cfg.Topic, "channel": l.c.cfg.Channel,
	})
}
