package nsqpubsub

import (
	"errors"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill"
)

// An nsqlookupd can name thousands of nsqd that do not exist, because anyone who can connect to nsqlookupd can register an nsqd. Each
// attempt to connect takes a file descriptor, goroutines and buffers. So a Consumer limits its attempts to connect to nsqd that it has
// never reached: it tries at most maxAttempts of them at once, each for attemptTime or longer. If more such nsqd are known, they take
// turns in the order of their addresses. 5000 addresses have their turns within 5000/100 * 2 s = 100 s, so a new nsqd among 5000 that
// do not exist is reached within 2 min. The limit does not apply to the nsqd in Cluster.NSQD and to nsqd that the Consumer has reached
// before.
const (
	maxAttempts = 100
	attemptTime = 2 * time.Second
)

// admit returns those of the known addresses addrs to which the Consumer starts to connect now. If other nsqd wait for their turn,
// admit ends attempts to connect that have lasted for 2 s (attemptTime).
func (c *Consumer) admit(addrs []string, now time.Time) (admitted []string) {
	var waiting []string
	for _, addr := range addrs {
		switch {
		case c.conns[addr] != nil:
		case slices.Contains(c.cfg.NSQD, addr):
			admitted = append(admitted, addr)
		default:
			waiting = append(waiting, addr)
		}
	}
	free := maxAttempts
	var over []string
	for addr, n := range c.conns {
		if n.reached.Load() || slices.Contains(c.cfg.NSQD, addr) {
			continue
		}
		free--
		if now.Sub(n.created) >= attemptTime {
			over = append(over, addr)
		}
	}
	over = over[:min(len(over), max(0, len(waiting)-free))]
	for _, addr := range over {
		c.removeConn(addr)
	}
	turns := c.inTurn(waiting)
	turns = turns[:min(len(turns), max(0, free+len(over)))]
	if len(turns) > 0 {
		c.lastTurn = turns[len(turns)-1]
	}
	c.setWaiting(len(waiting) - len(turns) + len(over))
	return append(admitted, turns...)
}

// inTurn returns the sorted slice addrs, rotated so that it begins after c.lastTurn, the address that had its turn last.
func (c *Consumer) inTurn(addrs []string) []string {
	i, found := slices.BinarySearch(addrs, c.lastTurn)
	if found {
		i++
	}
	return slices.Concat(addrs[i:], addrs[:i])
}

// setWaiting sets the number of nsqd that wait for their turn. It logs when the first nsqd begins to wait, and when no nsqd waits any
// more.
func (c *Consumer) setWaiting(n int) {
	before := c.waiting
	c.waiting = n
	if (before == 0) == (n == 0) {
		return
	}
	fields := watermill.LogFields{"topic": c.cfg.Topic, "waiting": n, "tried_at_once": maxAttempts}
	if n == 0 {
		c.cfg.Logger.Info("every known nsqd is tried again", fields)
		return
	}
	c.cfg.Logger.Error("nsqlookupd names more nsqd than are tried at once; the others wait for their turn", errTooMany, fields)
}

var errTooMany = errors.New("too many nsqd were never reached")

// Waiting returns the number of known nsqd to which the Consumer does not try to connect yet, because it tries too many other nsqd that
// it has never reached.
func (c *Consumer) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// Waiting returns the sum of Consumer.Waiting over the running subscriptions.
func (s *Subscriber) Waiting() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscriptions {
		n += sub.consumer.Waiting()
	}
	return n
}
