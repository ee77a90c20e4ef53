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

// producerNode publishes to one nsqd. One goroutine owns the connection: connecting and writing block for
// seconds if nsqd hangs, and those who publish wait for that goroutine no longer than their deadline.
type producerNode struct {
	addr     string
	greeter  *greeter
	logger   watermill.LoggerAdapter
	requests chan publication

	alive context.Context // ends with the Producer, or when nsqd is no longer known
	drop  context.CancelFunc

	begun     sync.Once // run, with the first publication
	connected atomic.Bool
	proven    atomic.Bool // it took a message at some time
	outage    outage.Log
	closing   sync.WaitGroup // connections; go-nsq takes 100 ms to close one

	mu        sync.Mutex
	asideTill time.Time
}

type publication struct {
	topic string
	body  []byte
	done  chan error // capacity 1: the answer may come when nobody waits for it any more
	again bool       // it was on a connection that was lost for an unknown reason
}

func newProducerNode(ctx context.Context, addr string, conf *nsq.Config, logger watermill.LoggerAdapter) *producerNode {
	n := &producerNode{addr: addr, greeter: newGreeter(addr, conf, logger), logger: logger, requests: make(chan publication)}
	n.alive, n.drop = context.WithCancel(ctx)
	return n
}

// run serves publish as long as the node is alive. It connects when there is something to publish.
func (n *producerNode) run() {
	defer n.closing.Wait()
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

// serve publishes first, and what comes after it, as long as the connection lasts. It returns what is to be published on
// the next one.
func (n *producerNode) serve(first []publication) (unsent []publication) {
	answers := make(chan error, 64)
	deaf := make(chan struct{})
	s := newSession(func(*nsq.Message) {}, func(err error) {
		select {
		case answers <- err:
		case <-deaf:
		}
	})
	conn, err := n.greeter.connect(n.alive, s)
	if err != nil {
		answerAll(first, err)
		return nil
	}
	n.connected.Store(true)
	w := window{conn: conn, waiting: first}
	err = n.publishAll(&w, s.lost, answers)
	n.connected.Store(false)
	n.logger.Debug("connection to nsqd ended", watermill.LogFields{"nsqd": n.addr, "err": err})
	close(deaf)
	_ = conn.Close()
	n.closing.Go(func() { <-s.closed })
	return w.unsent(err)
}

// publishAll returns why the connection is of no more use.
func (n *producerNode) publishAll(w *window, lost, answers <-chan error) error {
	for {
		if err := w.sendWaiting(); err != nil {
			return w.reason(answers, err)
		}
		requests := n.requests
		if len(w.waiting) > 0 {
			requests = nil
		}
		select {
		case p := <-requests:
			w.waiting = append(w.waiting, p)
		case answer := <-answers:
			if err := w.answered(answer); err != nil {
				return err
			}
		case err := <-lost:
			return w.reason(answers, err)
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
	n.proven.Store(true)
	n.mu.Lock()
	n.asideTill = time.Time{}
	n.mu.Unlock()
	if since, failed := n.outage.Succeeded(); failed {
		n.logger.Info("nsqd takes messages again", watermill.LogFields{"nsqd": n.addr, "since": since})
	}
}

func (n *producerNode) failed(err error, now time.Time, penalty time.Duration) {
	n.mu.Lock()
	n.asideTill = now.Add(penalty)
	n.mu.Unlock()
	if n.outage.Failed(now, err) {
		n.logger.Error("nsqd takes no messages; others are preferred", err, watermill.LogFields{"nsqd": n.addr})
	}
}

func (n *producerNode) isSetAside(now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return now.Before(n.asideTill)
}

func (n *producerNode) state(now time.Time) ProducerNode {
	_, err := n.outage.Current()
	return ProducerNode{Address: n.addr, SetAside: n.isSetAside(now), Err: err}
}

// ProducerNode is the state of one nsqd as publishing sees it.
type ProducerNode struct {
	Address  string
	SetAside bool
	Err      error // of the last publish to it, nil if that succeeded or none was tried
}

// Nodes returns the nsqd known, sorted by address; none before the first Publish or PublishTo.
func (p *Producer) Nodes() []ProducerNode {
	now := time.Now()
	p.mu.Lock()
	nodes := make([]ProducerNode, 0, len(p.nodes))
	for _, n := range p.nodes {
		nodes = append(nodes, n.state(now))
	}
	p.mu.Unlock()
	slices.SortFunc(nodes, func(a, b ProducerNode) int { return strings.Compare(a.Address, b.Address) })
	return nodes
}

// begun has the goroutine of a node run. It starts with the first publication: of thousands of nsqd that nsqlookupd may name,
// most never get one.
func (p *Producer) begun(n *producerNode) {
	n.begun.Do(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.alive.Err() == nil {
			p.tasks.Go(n.run)
		}
	})
}
