package nsqpubsub

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

// producerNode publishes to one nsqd. One goroutine owns the connection: connecting and writing block for
// seconds if nsqd hangs, and those who publish wait for that goroutine no longer than their deadline.
type producerNode struct {
	addr     string
	conf     *nsq.Config
	logger   watermill.LoggerAdapter
	requests chan publication

	alive context.Context // ends with the Producer, or when nsqd is no longer known
	drop  context.CancelFunc

	connected atomic.Bool

	mu        sync.Mutex
	asideTill time.Time
	err       error
}

type publication struct {
	topic string
	body  []byte
	done  chan error // capacity 1: the answer may come when nobody waits for it any more
}

func newProducerNode(ctx context.Context, addr string, conf *nsq.Config, logger watermill.LoggerAdapter) *producerNode {
	n := &producerNode{addr: addr, conf: conf, logger: logger, requests: make(chan publication)}
	n.alive, n.drop = context.WithCancel(ctx)
	return n
}

// run serves publish as long as the node is alive. It connects when there is something to publish.
func (n *producerNode) run() {
	for {
		select {
		case p := <-n.requests:
			n.serve(p)
		case <-n.alive.Done():
			return
		}
	}
}

// serve publishes first, and what comes after it, as long as the connection lasts.
func (n *producerNode) serve(first publication) {
	answers := make(chan error, 64)
	deaf := make(chan struct{})
	s := newSession(func(*nsq.Message) {}, func(err error) {
		select {
		case answers <- err:
		case <-deaf:
		}
	})
	conn, err := s.connect(n.alive, n.addr, n.conf, n.logger)
	if err != nil {
		first.done <- err
		return
	}
	n.connected.Store(true)
	err = n.publishAll(conn, s.lost, answers, first)
	n.connected.Store(false)
	n.logger.Debug("connection to nsqd ended", watermill.LogFields{"nsqd": n.addr, "err": err})
	close(deaf)
	_ = conn.Close()
	<-s.closed
}

func (n *producerNode) publishAll(conn *nsq.Conn, lost, answers <-chan error, first publication) (err error) {
	var sent []publication // nsqd answers in this order
	defer func() {
		for _, p := range sent {
			p.done <- err
		}
	}()
	send := func(p publication) error {
		sent = append(sent, p)
		return conn.WriteCommand(nsq.Publish(p.topic, p.body))
	}
	if err := send(first); err != nil {
		return err
	}
	for {
		select {
		case p := <-n.requests:
			if err := send(p); err != nil {
				return err
			}
		case answer := <-answers:
			if len(sent) == 0 {
				return fmt.Errorf("unexpected answer: %w", answer)
			}
			sent[0].done <- answer
			sent = sent[1:]
		case err := <-lost:
			return err
		case <-n.alive.Done():
			return ErrClosed
		}
	}
}

func (n *producerNode) publish(ctx context.Context, limit time.Duration, topic string, body []byte) error {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	p := publication{topic: topic, body: body, done: make(chan error, 1)}
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

func (n *producerNode) succeeded() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asideTill, n.err = time.Time{}, nil
}

func (n *producerNode) failed(err error, asideTill time.Time) {
	n.mu.Lock()
	first := n.err == nil
	n.asideTill, n.err = asideTill, err
	n.mu.Unlock()
	if first {
		n.logger.Info("nsqd set aside", watermill.LogFields{"nsqd": n.addr, "err": err})
	}
}

func (n *producerNode) isSetAside(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.asideTill)
}

func (n *producerNode) state(now time.Time) ProducerNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	return ProducerNode{Address: n.addr, SetAside: now.Before(n.asideTill), Err: n.err}
}
