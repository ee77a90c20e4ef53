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

	maxInFlight atomic.Int64 // maximum number of unfinished messages that nsqd may have sent on the connection
	resized     chan struct{}

	reached     atomic.Bool // whether the Consumer was connected to this nsqd at some time
	created     time.Time
	received    atomic.Uint64
	lastMessage atomic.Int64 // when the last message arrived, in nanoseconds since the time "created"; 0 if no message has arrived

	mu          sync.Mutex
	cancel      context.CancelFunc // ends the current connection, or the pause before the next connection
	current     *delegate          // nil while there is no connection
	connectedAt time.Time          // when the current connection subscribed; zero until then

	outage outage.Log
}

func newConsumerConn(ctx context.Context, c *Consumer, addr string) *consumerConn {
	n := &consumerConn{c: c, addr: addr, dialer: newDialer(addr, c.conf, c.cfg.Logger), tried: make(chan struct{}), resized: make(chan struct{}, 1), created: time.Now()}
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

// connect connects and subscribes. It returns when the connection is lost or ctx ends. If ctx ends, handlers can still have messages of
// the connection; the method retire then closes the connection when these handlers have finished.
func (n *consumerConn) connect(ctx context.Context) error {
	var d *delegate
	d = newDelegate(n.receive, func(err error) { n.handleResponse(d, err) })
	n.setCurrent(d)
	defer n.setCurrent(nil)
	conn, err := n.dialer.connect(ctx, d)
	if err != nil {
		return err
	}
	n.c.running.Go(func() { <-d.closed })
	if err := n.subscribe(ctx, d, conn); err != nil {
		_ = conn.Close()
		return err
	}
	n.c.running.Go(func() { n.retire(d, conn) })
	return nil
}

// subscribe subscribes to the topic and channel. Then it sends RDY, the number of messages that nsqd may send, at once and whenever
// n.maxInFlight changes. It returns the reason when the connection is lost, or nil when ctx ends.
func (n *consumerConn) subscribe(ctx context.Context, d *delegate, conn *nsq.Conn) error {
	if err := conn.WriteCommand(nsq.Subscribe(n.c.cfg.Topic, n.c.cfg.Channel)); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for {
		ready := min(n.maxInFlight.Load(), conn.MaxRDY())
		if err := conn.WriteCommand(nsq.Ready(int(ready))); err != nil {
			return err
		}
		select {
		case <-n.resized:
		case err := <-d.lost:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

const (
	closeWaitTimeout = time.Second
	closeLinger      = 25 * time.Millisecond
	retireDelay      = time.Second
)

// retire closes a connection that is no longer needed. First it makes nsqd send no more messages. Then it waits for 1 s (retireDelay),
// so that the connection that replaces this one can subscribe first: nsqd deletes an ephemeral channel, with the messages in it, when
// its last consumer disconnects. It does not wait if the context n.alive has ended, because no connection replaces this one then.
func (n *consumerConn) retire(d *delegate, conn *nsq.Conn) {
	defer conn.Close()
	if err := conn.WriteCommand(nsq.Ready(0)); err != nil {
		return
	}
	timeout := time.NewTimer(retireDelay)
	defer timeout.Stop()
	select {
	case <-timeout.C:
	case <-n.alive.Done():
	case <-d.lost:
		return
	}
	_ = startClose(d, conn)
}

// startClose makes nsqd stop sending before the connection is closed, because nsqd requeues a message that it sends to a closed
// connection only after its message timeout of 60 s. nsqd can send one more message right after its response CLOSE_WAIT, so startClose
// waits for another 25 ms (closeLinger) after the response.
func startClose(d *delegate, conn *nsq.Conn) error {
	if err := conn.WriteCommand(nsq.StartClose()); err != nil {
		return err
	}
	timeout := time.NewTimer(closeWaitTimeout)
	defer timeout.Stop()
	select {
	case <-d.closeWait:
		timeout.Reset(closeLinger)
		<-timeout.C
		return nil
	case err := <-d.lost:
		return err
	case <-timeout.C:
		return ErrTimeout
	}
}

// handleResponse handles a response of nsqd. A response without an error is the response to SUB, because nsqd responds to the other
// commands of a consumer only if they fail. nsqd closes the connection after an error, except after an error about a message that has
// timed out.
func (n *consumerConn) handleResponse(d *delegate, err error) {
	if err == nil {
		if n.subscribed(d) {
			n.markTried()
			n.log().Info("connected to nsqd", nil)
		}
		return
	}
	for _, harmless := range []string{"E_FIN_FAILED", "E_REQ_FAILED", "E_TOUCH_FAILED"} {
		if strings.HasPrefix(err.Error(), harmless) {
			return
		}
	}
	d.fail(err)
}

func (n *consumerConn) receive(m *nsq.Message) {
	n.received.Add(1)
	n.lastMessage.Store(int64(time.Since(n.created)))
	n.c.queue <- m // does not block forever: handlers drain the queue until all connections are closed
}

func (n *consumerConn) markTried() { n.triedOne.Do(func() { close(n.tried) }) }

// setMaxInFlight sets how many unfinished messages this nsqd may have sent.
func (n *consumerConn) setMaxInFlight(max int) {
	if n.maxInFlight.Swap(int64(max)) == int64(max) {
		return
	}
	select {
	case n.resized <- struct{}{}:
	default:
	}
}

// setCurrent records d as the current connection, which has not subscribed yet. If there is no connection, d is nil.
func (n *consumerConn) setCurrent(d *delegate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current, n.connectedAt = d, time.Time{}
}

// subscribed records that the connection d has subscribed, and returns true. If d is no longer the current connection, it does nothing
// and returns false.
func (n *consumerConn) subscribed(d *delegate) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current != d {
		return false
	}
	n.connectedAt = time.Now()
	n.reached.Store(true)
	n.outage.Succeeded()
	return true
}

func (n *consumerConn) connected() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.connectedAt.IsZero()
}

func (n *consumerConn) state() ConsumerNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, failure := n.outage.Current()
	node := ConsumerNode{
		Topic:       n.c.cfg.Topic,
		Address:     n.addr,
		Connected:   !n.connectedAt.IsZero(),
		Reached:     n.reached.Load(),
		ConnectedAt: n.connectedAt,
		Received:    n.received.Load(),
		Err:         failure,
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
