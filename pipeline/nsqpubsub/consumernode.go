package nsqpubsub

import (
	"slices"
	"strings"
	"time"
)

// ConsumerNode is the state of one nsqd as consuming sees it.
type ConsumerNode struct {
	Topic       string
	Address     string
	Connected   bool      // subscribed, and nothing has told otherwise since
	Reached     bool      // it was connected at some time
	ConnectedAt time.Time // when it was subscribed, with a monotonic reading; zero while not connected
	LastMessage time.Time // with a monotonic reading; zero if none came
	Received    uint64    // messages since Run began
	Err         error     // what ended the last connection or attempt, nil while connected
}

// Nodes returns the nsqd known, sorted by address.
func (c *Consumer) Nodes() []ConsumerNode {
	c.mu.Lock()
	nodes := make([]ConsumerNode, 0, len(c.linked))
	for _, l := range c.linked {
		nodes = append(nodes, l.state())
	}
	c.mu.Unlock()
	slices.SortFunc(nodes, func(a, b ConsumerNode) int { return strings.Compare(a.Address, b.Address) })
	return nodes
}

// Reached reports whether the Consumer was connected to an nsqd at some time since it became known.
func (c *Consumer) Reached(nsqd string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.linked[nsqd]
	return l != nil && l.reached.Load()
}

// Lookups returns the state of each nsqlookupd, in the order of Cluster.Lookupd; none before Run.
func (c *Consumer) Lookups() []LookupState { return c.discovery.lookups() }
