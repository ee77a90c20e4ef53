package nsqpubsub

import (
	"errors"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill"
)

// Whoever reaches nsqlookupd can have it name nsqd by the thousand, and each attempt at a connection takes a descriptor,
// goroutines and buffers. So no more than maxTrials nsqd that were never reached are tried at once, each for trialTime or
// longer. While others wait, they take turns in the order of addresses: a new nsqd among 5000 that do not exist is reached in
// 2 min at most. The static ones, and all that were reached, are always tried.
const (
	maxTrials = 100
	trialTime = 2 * time.Second
)

// admit returns the addresses to connect to now, of those known, and ends the trials whose time is over if others wait.
func (c *Consumer) admit(addrs []string, now time.Time) (admitted []string) {
	var waiting []string
	for _, addr := range addrs {
		switch {
		case c.linked[addr] != nil:
		case slices.Contains(c.cfg.NSQD, addr):
			admitted = append(admitted, addr)
		default:
			waiting = append(waiting, addr)
		}
	}
	free := maxTrials
	var over []string
	for addr, l := range c.linked {
		if l.reached.Load() || slices.Contains(c.cfg.NSQD, addr) {
			continue
		}
		free--
		if now.Sub(l.born) >= trialTime {
			over = append(over, addr)
		}
	}
	over = over[:min(len(over), max(0, len(waiting)-free))]
	for _, addr := range over {
		c.unlink(addr)
	}
	turns := c.inTurn(waiting)
	turns = turns[:min(len(turns), max(0, free+len(over)))]
	if len(turns) > 0 {
		c.turn = turns[len(turns)-1]
	}
	c.noteWaiting(len(waiting) - len(turns) + len(over))
	return append(admitted, turns...)
}

// inTurn begins behind the address that was admitted last. The addresses are sorted.
func (c *Consumer) inTurn(addrs []string) []string {
	i, found := slices.BinarySearch(addrs, c.turn)
	if found {
		i++
	}
	return slices.Concat(addrs[i:], addrs[:i])
}

// noteWaiting logs the first time that nsqd wait, and the first time that none does.
func (c *Consumer) noteWaiting(n int) {
	before := c.waiting
	c.waiting = n
	if (before == 0) == (n == 0) {
		return
	}
	fields := watermill.LogFields{"topic": c.cfg.Topic, "waiting": n, "tried_at_once": maxTrials}
	if n == 0 {
		c.cfg.Logger.Info("every nsqd known is tried again", fields)
		return
	}
	c.cfg.Logger.Error("nsqlookupd names more nsqd than are tried at once; the others wait for their turn", errTooMany, fields)
}

var errTooMany = errors.New("too many nsqd were never reached")

// Waiting returns how many nsqd are known and not tried now, because too many others were never reached either.
func (c *Consumer) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// Waiting returns what Consumer.Waiting does, the sum over the subscriptions that still run.
func (s *Subscriber) Waiting() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscriptions {
		n += sub.consumer.Waiting()
	}
	return n
}
