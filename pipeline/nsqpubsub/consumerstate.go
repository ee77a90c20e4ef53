package nsqpubsub

import (
	"slices"
	"strings"
	"time"
)

// ConsumerNode is the state of a Consumer's connection to one nsqd.
type ConsumerNode struct {
	Topic       string
	Address     string
	Connected   bool      // the connection has subscribed, and has had no error since then
	Reached     bool      // whether the Consumer was connected to the nsqd at some time
	ConnectedAt time.Time // when the connection subscribed, with a monotonic reading; zero while not connected
	LastMessage time.Time // when the last message arrived, with a monotonic reading; zero if none has arrived
	Received    uint64    // number of messages received since the nsqd became known
	Err         error     // error of the last connection or of the last attempt to connect; nil while connected
}

// Nodes returns the nsqd to which the Consumer is connected or tries to connect, sorted by address.
func (c *Consumer) Nodes() []ConsumerNode {
	c.mu.Lock()
	nodes := make([]ConsumerNode, 0, len(c.conns))
	for _, n := range c.conns {
		nodes = append(nodes, n.state())
	}
	c.mu.Unlock()
	slices.SortFunc(nodes, func(a, b ConsumerNode) int { return strings.Compare(a.Address, b.Address) })
	return nodes
}

// Reached reports whether the Consumer was connected to the nsqd at some time since that nsqd became known.
func (c *Consumer) Reached(nsqd string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.conns[nsqd]
	return n != nil && n.reached.Load()
}

// Lookups returns the state of each nsqlookupd, in the order of Cluster.Lookupd. It returns nil before Run is called.
func (c *Consumer) Lookups() []LookupState { return c.discovery.lookups() }
