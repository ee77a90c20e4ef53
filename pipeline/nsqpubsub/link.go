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

	"rollcall/pipeline/outage"
)

const reconnectDelay = 500 * time.Millisecond

// link keeps a consumer connected to one nsqd.
//
//	connect --ok--> subscribe --OK--> connected --error, silence--> lost --delay--> connect
//	   \---------------- error -----------------------------------/
//
// Reconnect leads from any of them to connect, at once. What was connected before retires beside the new session.
type link struct {
	c       *Consumer
	addr    string
	greeter *greeter

	alive context.Context // ends with Run, or when nsqd is no longer known
	end   context.CancelFunc

	tried    chan struct{} // closed when the first attempt has come to something
	triedOne sync.Once

	inFlight atomic.Int64 // what nsqd may send before it hears of messages handled
	resized  chan struct{}

	reached     atomic.Bool // it was connected at some time
	born        time.Time
	received    atomic.Uint64
	lastMessage atomic.Int64 // nanoseconds since born; 0 if none came

	mu          sync.Mutex
	giveUp      context.CancelFunc // ends the session, and the pause after it
	current     *session           // nil between sessions
	connectedAt time.Time          // of current; zero until it has subscribed

	outage outage.Log
}

func newLink(ctx context.Context, c *Consumer, addr string) *link {
	l := &link{c: c, addr: addr, greeter: newGreeter(addr, c.conf, c.cfg.Logger), tried: make(chan struct{}), resized: make(chan struct{}, 1), born: time.Now()}
	l.alive, l.end = context.WithCancel(ctx)
	l.giveUp = func() {}
	return l
}

func (l *link) run() {
	defer l.end()
	defer l.settle()
	for l.alive.Err() == nil {
		l.once()
	}
}

// once is one session and the pause after it, as long as neither is given up.
func (l *link) once() {
	ctx, giveUp := context.WithCancel(l.alive)
	defer giveUp()
	l.mu.Lock()
	l.giveUp = giveUp
	l.mu.Unlock()
	err := l.session(ctx)
	if ctx.Err() != nil {
		return
	}
	if l.outage.Failed(time.Now(), err) && (l.reached.Load() || l.c.Waiting() == 0) { // else there may be thousands of them
		l.log().Error("no connection to nsqd", err, nil)
	}
	l.settle()
	pause(ctx, jitter(reconnectDelay))
}

func (l *link) reconnect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveUp()
}

// session connects, subscribes and returns when the connection is lost or ctx ends. The messages that
// came through it may still be handled then: the connection outlives the session until they are.
func (l *link) session(ctx context.Context) error {
	var s *session
	s = newSession(l.message, func(err error) { l.answer(s, err) })
	l.standFor(s)
	defer l.standFor(nil)
	conn, err := l.greeter.connect(ctx, s)
	if err != nil {
		return err
	}
	l.c.links.Go(func() { <-s.closed })
	if err := l.serve(ctx, s, conn); err != nil {
		_ = conn.Close()
		return err
	}
	l.c.links.Go(func() { l.retire(s, conn) })
	return nil
}

// serve returns why the connection is lost, or nil when ctx ends.
func (l *link) serve(ctx context.Context, s *session, conn *nsq.Conn) error {
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
			return nil
		}
	}
}

const (
	leaveTimeout = time.Second
	leaveLinger  = 25 * time.Millisecond
	retireAfter  = time.Second
)

// retire leaves a connection whose session has ended. If another session follows, it gives that one time to subscribe:
// an ephemeral channel goes with its last consumer, and what waits in it would go too. Nsqd is to send nothing more
// meanwhile.
func (l *link) retire(s *session, conn *nsq.Conn) {
	defer conn.Close()
	if err := conn.WriteCommand(nsq.Ready(0)); err != nil {
		return
	}
	timeout := time.NewTimer(retireAfter)
	defer timeout.Stop()
	select {
	case <-timeout.C:
	case <-l.alive.Done():
	case <-s.lost:
		return
	}
	_ = leave(s, conn)
}

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
		if l.subscribed(s) {
			l.settle()
			l.log().Info("connected to nsqd", nil)
		}
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
	l.lastMessage.Store(int64(time.Since(l.born)))
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

// standFor makes s the session whose subscription is the link's; nil is none.
func (l *link) standFor(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current, l.connectedAt = s, time.Time{}
}

// subscribed reports false if s was given up.
func (l *link) subscribed(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != s {
		return false
	}
	l.connectedAt = time.Now()
	l.reached.Store(true)
	l.outage.Succeeded()
	return true
}

func (l *link) connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.connectedAt.IsZero()
}

func (l *link) state() ConsumerNode {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, failure := l.outage.Current()
	n := ConsumerNode{
		Topic:       l.c.cfg.Topic,
		Address:     l.addr,
		Connected:   !l.connectedAt.IsZero(),
		Reached:     l.reached.Load(),
		ConnectedAt: l.connectedAt,
		Received:    l.received.Load(),
		Err:         failure,
	}
	if after := time.Duration(l.lastMessage.Load()); after > 0 {
		now := time.Now() // so that the wall clock's reading is today's, whatever it was when the link was made
		n.LastMessage = now.Add(after - now.Sub(l.born))
	}
	return n
}

func (l *link) log() watermill.LoggerAdapter {
	return l.c.cfg.Logger.With(watermill.LogFields{
		"nsqd": l.addr, "topic": l.c.cfg.Topic, "channel": l.c.cfg.Channel,
	})
}
