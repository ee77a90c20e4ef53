package balancer

import "slices"

// blockSize is the largest number of servers in a block. A change of one server copies one block and the list of all blocks, so blockSize is
// near the square root of a large number of servers: 100 000 servers are 391 blocks.
const blockSize = 256

// block is a part of a group. A block does not change after publish, because views refer to it.
type block struct {
	list      []candidate
	aliases   aliases // draws a candidate in proportion to its weight
	total     float64 // sum of the weights
	published bool
}

// group is the set of servers of one usability. The zero value is an empty group. Its methods are for the holder of Balancer.mu. Endpoint.block
// and Endpoint.index say where in its group a server is, so that no method searches for a server.
type group struct {
	blocks   []*block // none of them is empty
	count    int      // number of servers
	starting int      // number of servers with a reduced weight
	room     int      // number of a block that probably has room for another server
}

// own returns a block that may be changed. It replaces a block that is published by a copy.
func (g *group) own(i int32) *block {
	b := g.blocks[i]
	if b.published {
		b = &block{list: append(make([]candidate, 0, min(len(b.list)+1, blockSize)), b.list...)}
		g.blocks[i] = b
	}
	return b
}

// at returns the weights of a server in the group.
func (g *group) at(e *Endpoint) weights { return g.blocks[e.block].list[e.index].weights }

func (g *group) set(e *Endpoint, w weights) {
	g.starting += w.starting() - g.at(e).starting()
	g.own(e.block).list[e.index].weights = w
}

func (g *group) add(e *Endpoint, w weights) {
	i := g.vacancy()
	b := g.own(i)
	e.block, e.index = i, int32(len(b.list))
	b.list = append(b.list, candidate{e, KeyOf(e.Server().ID), w})
	g.count++
	g.starting += w.starting()
}

// vacancy returns the number of a block that has room for another server.
func (g *group) vacancy() int32 {
	for n := range g.blocks {
		i := (g.room + n) % len(g.blocks)
		if len(g.blocks[i].list) < blockSize {
			g.room = i
			return int32(i)
		}
	}
	g.room = len(g.blocks)
	g.blocks = append(g.blocks, &block{})
	return int32(g.room)
}

// remove moves the last server of the block to the place of the removed server.
func (g *group) remove(e *Endpoint) {
	g.starting -= g.at(e).starting()
	b := g.own(e.block)
	last := len(b.list) - 1
	b.list[e.index] = b.list[last]
	b.list[e.index].index = e.index
	b.list[last] = candidate{}
	b.list = b.list[:last]
	g.count--
	g.room = int(e.block)
	if last == 0 {
		g.drop(e.block)
	}
}

// drop removes an empty block. It moves the last block to its place.
func (g *group) drop(i int32) {
	last := len(g.blocks) - 1
	g.blocks[i] = g.blocks[last]
	g.blocks[last] = nil
	g.blocks = g.blocks[:last]
	if int(i) == last {
		return
	}
	for _, c := range g.blocks[i].list {
		c.block = i
	}
}

// publish completes the blocks that have changed. Afterwards views may refer to the blocks of the group.
func (g *group) publish() {
	for _, b := range g.blocks {
		if b.published {
			continue
		}
		b.published = true
		b.list = slices.Clip(b.list)
		for _, c := range b.list {
			b.total += float64(c.weight)
		}
		b.aliases = newAliases(len(b.list), func(i int) float64 { return float64(b.list[i].weight) })
	}
}
