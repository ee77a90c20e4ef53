package nsqpubsub

import (
	"cmp"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"
)

// publishOrder returns all nsqd in the order in which to try them: a random one, or for Ordered always the same, with those in
// the penalty box last. Of the nsqd that never took a message, only one is tried together with those that did, and the others
// after them: nsqlookupd may name many nsqd that do not exist, and each may cost PublishTimeout.
func (p *Producer) publishOrder(now time.Time) []*producerConn {
	var proven, untried, penalized []*producerConn
	p.mu.Lock()
	for _, n := range p.nodes {
		switch {
		case n.penalized(now):
			penalized = append(penalized, n)
		case n.proven.Load():
			proven = append(proven, n)
		default:
			untried = append(untried, n)
		}
	}
	p.mu.Unlock()
	p.arrange(untried)
	if len(untried) > 0 {
		proven, untried = append(proven, untried[0]), untried[1:]
	}
	p.arrange(proven)
	p.arrange(penalized)
	return slices.Concat(proven, untried, penalized)
}

func (p *Producer) arrange(nodes []*producerConn) {
	if p.cfg.Ordered {
		slices.SortFunc(nodes, func(a, b *producerConn) int { return cmp.Compare(p.rank(a.addr), p.rank(b.addr)) })
		return
	}
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
}

// rank differs for each Producer, so that ordered Producers use different nsqd.
func (p *Producer) rank(addr string) uint64 { return maphash.String(p.seed, addr) }
