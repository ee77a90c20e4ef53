package nsqpubsub

import (
	"cmp"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"
)

// candidates are all nsqd in random order, or for Ordered always in the same, those set aside behind the others. Of those
// that never took a message one alone stands among those that did: nsqlookupd may name many that do not exist, and each
// may cost PublishTimeout.
func (p *Producer) candidates(now time.Time) []*producerNode {
	var ready, untried, aside []*producerNode
	p.mu.Lock()
	for _, n := range p.nodes {
		switch {
		case n.isSetAside(now):
			aside = append(aside, n)
		case n.proven.Load():
			ready = append(ready, n)
		default:
			untried = append(untried, n)
		}
	}
	p.mu.Unlock()
	p.arrange(untried)
	if len(untried) > 0 {
		ready, untried = append(ready, untried[0]), untried[1:]
	}
	p.arrange(ready)
	p.arrange(aside)
	return slices.Concat(ready, untried, aside)
}

func (p *Producer) arrange(nodes []*producerNode) {
	if p.cfg.Ordered {
		slices.SortFunc(nodes, func(a, b *producerNode) int { return cmp.Compare(p.rank(a.addr), p.rank(b.addr)) })
		return
	}
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
}

// rank spreads the producers over the nsqd, each in an order of its own.
func (p *Producer) rank(addr string) uint64 { return maphash.String(p.seed, addr) }
