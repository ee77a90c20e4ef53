package balancer

import (
	"iter"
	"math/rand/v2"
)

// candidate is a server that Pick may return.
type candidate struct {
	*Endpoint
	hash uint64 // KeyOf the server's id
	weights
}

// weights are the weights of a candidate. The zero value stands for a server that is not a candidate. All weights of servers are integers
// below 2^24, so a float32 holds them exactly.
type weights struct {
	weight float32 // greater than 0; reduced during the slow start
	full   float32 // weight from the heartbeat
}

// starting returns 1 if the weight is reduced, and otherwise 0.
func (w weights) starting() int {
	if w.weight < w.full {
		return 1
	}
	return 0
}

// candidates are the servers that Pick chooses from. They are immutable, and share the blocks of unchanged servers with the candidates
// before them.
type candidates struct {
	blocks  []*block // none of them is empty
	aliases aliases  // draws a block in proportion to the weights of its servers
	count   int
}

func newCandidates(groups ...*group) *candidates {
	c := &candidates{}
	for _, g := range groups {
		c.blocks = append(c.blocks, g.blocks...)
		c.count += g.count
	}
	c.aliases = newAliases(len(c.blocks), func(i int) float64 { return c.blocks[i].total })
	return c
}

// draw draws a candidate with a probability in proportion to its weight.
func (c *candidates) draw() *candidate {
	b := c.blocks[0]
	if len(c.blocks) > 1 {
		b = c.blocks[c.aliases.draw(len(c.blocks))]
	}
	return &b.list[b.aliases.draw(len(b.list))]
}

// redraws bounds how often the method pair draws the second candidate: it draws again if the second candidate is the same as the first. The
// bound matters only if one candidate has most of the weight.
const redraws = 3

// pair draws two different candidates. If there is only one candidate, it returns this candidate twice.
func (c *candidates) pair() (first, second *candidate) {
	first = c.draw()
	if c.count == 1 {
		return first, first
	}
	if c.count > 2 {
		for range redraws {
			if second = c.draw(); second != first {
				return first, second
			}
		}
	}
	return first, c.other(first)
}

// other returns a random candidate that is not the given one, and does not regard the weights.
func (c *candidates) other(than *candidate) *candidate {
	skip := rand.IntN(c.count - 1)
	for _, b := range c.blocks {
		for i := range b.list {
			switch d := &b.list[i]; {
			case d == than:
			case skip == 0:
				return d
			default:
				skip--
			}
		}
	}
	return than
}

// around yields the servers of all blocks. It begins at a random block, and in each block at a random server.
func around(blocks []*block) iter.Seq[*Endpoint] {
	return func(yield func(*Endpoint) bool) {
		if len(blocks) == 0 {
			return
		}
		first := rand.IntN(len(blocks))
		for i := range blocks {
			list := blocks[(first+i)%len(blocks)].list
			start := rand.IntN(len(list))
			for k := range list {
				if !yield(list[(start+k)%len(list)].Endpoint) {
					return
				}
			}
		}
	}
}
