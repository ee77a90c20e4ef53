package nsqpubsub

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"

	"rollcall/pipeline/outage"
)

// producerConn publishes to one nsqd. One goroutine owns the connection, because connecting and writing block for seconds if nsqd
// hangs; the method publish waits for the goroutine only for a limited time.
type producerConn struct {
	addr     string
	dialer   *dialer
	logger   watermill.LoggerAdapter
	requests chan publication

	alive context.Context // ends when the Producer is closed, or when the nsqd is no longer known
	drop  context.CancelFunc

	started   sync.Once // starts the goroutine when the first message is published to this nsqd
	connected atomic.Bool
	proven    atomic.Bool // whether this nsqd has accepted a message at some time
	outage    outage.Log

	mu             sync.Mutex
	penalizedUntil time.Time
}

// publication is a command that publishes one or more messages: nsqd responds to each command once.
type publication struct {
	topic  string
	bodies [][]byte
	done   chan error // receives the result; capacity 1, so that sending the result does not block if publish has returned already
	again  bool       // whether it was sent before, on a connection that was lost for an unknown reason: see sendQueue
}

func (p *publication) command() (*nsq.Command, error) {
	if len(p.bodies) == 1 {
		return nsq.Publish(p.topic, p.bodies[0]), nil
	}
	return nsq.MultiPublish(p.topic, p.bodies)
}

func newProducerConn(ctx context.Context, addr string, conf *nsq.Config, logger watermill.LoggerAdapter) *producerConn {
	n := &producerConn{addr: addr, dialer: newDialer(addr, conf, logger), logger: logger, requests: make(chan publication)}
	n.alive, n.drop = context.WithCancel(ctx)
	return n
}

// run publishes the messages that arrive on n.requests until the context n.alive ends. It connects when there is a message to publish.
func (n *producerConn) run() {
	var unsent []publication
	for {
		if len(unsent) > 0 {
			unsent = n.serve(unsent)
			continue
		}
		select {
		case p := <-n.requests:
			unsent = n.serve([]publication{p})
		case <-n.alive.Done():
			return
		}
	}
}

// serve connects and publishes messages until the connection is lost: those of the slice first, then those that arrive on n.requests.
// It returns the messages to publish on the next connection. If it cannot connect, every message of the slice first fails with the
// error.
func (n *producerConn) serve(first []publication) (unsent []publication) {
	conn, err := n.dialer.connect(n.alive)
	if err != nil {
		if n.alive.Err() != nil {
			err = ErrClosed
		}
		completeAll(first, err)
		return nil
	}
	defer context.AfterFunc(n.alive, conn.close)() // so that a write to a hung nsqd ends at once
	n.connected.Store(true)
	q := sendQueue{conn: conn, waiting: first}
	err = n.publishAll(&q)
	n.connected.Store(false)
	if n.alive.Err() != nil {
		err = ErrClosed
	}
	n.logger.Debug("connection to nsqd ended", watermill.LogFields{"nsqd": n.addr, "err": err})
	return q.unsent(err)
}

// publishAll publishes the messages in the queue q and those that arrive on n.requests, until the connection is lost or n.alive ends.
// It closes the connection, and returns the reason of the loss, or ErrClosed.
func (n *producerConn) publishAll(q *sendQueue) error {
	replies, done := make(chan reply, maxWaiting), make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { readReplies(q.conn, replies, done) })
	defer reading.Wait()
	defer q.conn.close()
	defer close(done)
	for {
		if err := q.send(); err != nil {
			return q.reason(replies, err)
		}
		requests := n.requests
		if len(q.waiting) > 0 {
			requests = nil
		}
		select {
		case p := <-requests:
			q.waiting = n.collect(append(q.waiting, p))
		case r := <-replies:
			if err := q.handle(r); err != nil {
				return err
			}
		case <-n.alive.Done():
			return ErrClosed
		}
	}
}

// collect appends the messages that wait to be published, so that they are sent together.
func (n *producerConn) collect(waiting []publication) []publication {
	for len(waiting) < maxWaiting {
		select {
		case p := <-n.requests:
			waiting = append(waiting, p)
		default:
			return waiting
		}
	}
	return waiting
}

func (n *producerConn) publish(ctx context.Context, limit time.Duration, topic string, bodies [][]byte) error {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	p := publication{topic: topic, bodies: bodies, done: make(chan error, 1)}
	select {
	case n.requests <- p:
	case <-timeout.C:
		return ErrTimeout
	case <-n.alive.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-p.done:
		return err
	case <-timeout.C:
		return ErrTimeout
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *producerConn) succeeded() {
	n.proven.Store(true)
	n.mu.Lock()
	n.penalizedUntil = time.Time{}
	n.mu.Unlock()
	if since, failed := n.outage.Succeeded(); failed {
		n.logger.Info("nsqd accepts messages again", watermill.LogFields{"nsqd": n.addr, "since": since})
	}
}

// failed puts the nsqd into the penalty box.
func (n *producerConn) failed(err error, now time.Time, penalty time.Duration) {
	n.mu.Lock()
	n.penalizedUntil = now.Add(penalty)
	n.mu.Unlock()
	if n.outage.Failed(now, err) {
		n.logger.Error("nsqd does not accept messages; others are preferred", err, watermill.LogFields{"nsqd": n.addr})
	}
}

func (n *producerConn) penalized(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.penalizedUntil)
}

// ProducerNode is the state of one nsqd to which a Producer publishes.
type ProducerNode struct {
	Address   string
	Penalized bool  // whether the nsqd is in the penalty box, because a Publish failed there recently
	Err       error // error of the last Publish that failed at this nsqd; nil if none has failed, or if a later Publish succeeded
}

// Nodes returns the known nsqd, sorted by address. No nsqd is known before the first Publish or PublishTo.
func (p *Producer) Nodes() []ProducerNode {
	now := time.Now()
	p.mu.Lock()
	nodes := make([]ProducerNode, 0, len(p.nodes))
	for _, n := range p.nodes {
		_, err := n.outage.Current()
		nodes = append(nodes, ProducerNode{Address: n.addr, Penalized: n.penalized(now), Err: err})
	}
	p.mu.Unlock()
	slices.SortFunc(nodes, func(a, b ProducerNode) int { return strings.Compare(a.Address, b.Address) })
	return nodes
}

// startConn starts the goroutine of n, unless it was started before. It is called when a message is published to n and not when n
// becomes known, because nsqlookupd can name thousands of nsqd, and most of them never get a message.
func (p *Producer) startConn(n *producerConn) {
	n.started.Do(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.alive.Err() == nil {
			p.tasks.Go(n.run)
		}
	})
}
