package nsqpubsub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"

	"rollcall/pipeline/outage"
)

const reconnectDelay = 500 * time.Millisecond

// consumerConn keeps a Consumer connected to one nsqd.
//
//	connect --ok--> subscribe --OK--> connected --error, silence--> lost --delay--> connect
//	   \---------------- error -----------------------------------/
//
// A call of Consumer.Reconnect leads from every state to the state "connect" at once. The old connection closes while the new
// connection is made.
type consumerConn struct {
	c      *Consumer
	addr   string
	dialer *dialer

	alive context.Context // ends when the context of Run ends, or when the nsqd is no longer known
	end   context.CancelFunc

	tried    chan struct{} // closed when the first attempt to connect has succeeded or failed
	triedOne sync.Once

	reached     atomic.Bool // whether the Consumer was connected to this nsqd at some time
	created     time.Time
	received    atomic.Uint64
	lastMessage atomic.Int64 // when the last message arrived, in nanoseconds since the time "created"; 0 if no message has arrived

	mu          sync.Mutex
	cancel      context.CancelFunc // ends the current connection, or the pause before the next connection
	current     *session           // nil while there is no connection
	maxInFlight int64              // maximum number of unfinished messages that nsqd may have sent

	outage outage.Log
}

func newConsumerConn(ctx context.Context, c *Consumer, addr string) *consumerConn {
	n := &consumerConn{c: c, addr: addr, dialer: newDialer(addr, c.conf, c.cfg.Logger), tried: make(chan struct{}), created: time.Now()}
	n.alive, n.end = context.WithCancel(ctx)
	n.cancel = func() {}
	return n
}

func (n *consumerConn) run() {
	defer n.end()
	defer n.markTried()
	for n.alive.Err() == nil {
		n.connectOnce()
	}
}

// connectOnce connects, receives messages until the connection is lost, and pauses. A call of reconnect ends any of these steps early.
func (n *consumerConn) connectOnce() {
	ctx, cancel := context.WithCancel(n.alive)
	defer cancel()
	n.mu.Lock()
	n.cancel = cancel
	n.mu.Unlock()
	err := n.connect(ctx)
	if ctx.Err() != nil {
		return
	}
	// If nsqd wait for their turn, thousands of nsqd may not exist. Then only the failures of nsqd that were reached before are logged.
	if n.outage.Failed(time.Now(), err) && (n.reached.Load() || n.c.Waiting() == 0) {
		n.log().Error("no connection to nsqd", err, nil)
	}
	n.markTried()
	pause(ctx, jitter(reconnectDelay))
}

func (n *consumerConn) reconnect() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cancel()
}

// connect connects and subscribes. It returns the reason when the connection is lost, or when ctx ends. If ctx ends, the session closes the
// connection in the background: see session.run.
func (n *consumerConn) connect(ctx context.Context) error {
	c, err := n.dialer.connect(ctx, nsq.Subscribe(n.c.cfg.Topic, n.c.cfg.Channel))
	if err != nil {
		return err
	}
	s := newSession(n, c)
	n.setCurrent(s)
	defer n.setCurrent(nil)
	n.reached.Store(true)
	n.outage.Succeeded()
	n.markTried()
	n.log().Info("connected to nsqd", nil)
	n.c.running.Go(func() { n.createTopics(ctx) })
	lost := make(chan error, 1)
	n.c.running.Go(func() { lost <- s.run(ctx) })
	select {
	case err := <-lost:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *consumerConn) countReceived(messages int) {
	n.received.Add(uint64(messages))
	n.lastMessage.Store(int64(time.Since(n.created)))
}

func (n *consumerConn) markTried() { n.triedOne.Do(func() { close(n.tried) }) }

// setMaxInFlight sets how many unfinished messages this nsqd may have sent.
func (n *consumerConn) setMaxInFlight(max int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.maxInFlight == int64(max) {
		return
	}
	n.maxInFlight = int64(max)
	if n.current != nil {
		n.current.setReady(n.maxInFlight)
	}
}

// setCurrent records s as the current connection. If there is no connection, s is nil.
func (n *consumerConn) setCurrent(s *session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current = s
	if s != nil {
		s.setReady(n.maxInFlight)
	}
}

func (n *consumerConn) connected() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current != nil
}

func (n *consumerConn) state() ConsumerNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, failure := n.outage.Current()
	node := ConsumerNode{
		Topic:    n.c.cfg.Topic,
		Address:  n.addr,
		Reached:  n.reached.Load(),
		Received: n.received.Load(),
		Err:      failure,
	}
	if n.current != nil {
		node.Connected, node.ConnectedAt = true, n.current.start
	}
	if after := time.Duration(n.lastMessage.Load()); after > 0 {
		now := time.Now() // not n.created.Add(after), which is wrong if the wall clock was set since n.created
		node.LastMessage = now.Add(after - now.Sub(n.created))
	}
	return node
}

func (n *consumerConn) log() watermill.LoggerAdapter {
	return n.c.cfg.Logger.With(watermill.LogFields{
		"nsqd": n.addr, "topic": n.c.cfg.Topic, "channel": n.c.cfg.Channel,
	})
}
