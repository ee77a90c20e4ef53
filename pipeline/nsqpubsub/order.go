package nsqpubsub

import (
	"cmp"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"time"
)

// publishOrder returns all nsqd in the order in which Publish tries them:
//
//	nsqd that have accepted a message at some time, together with one nsqd that has never accepted a message
//	the other nsqd that have never accepted a message
//	nsqd in the penalty box: Publish failed there less than PenaltyTime ago
//
// The order within each group is random. If Ordered is set, the order is always the same, except that the nsqd that accepted the last
// message comes first in its group. Most nsqd that have never accepted a message come late,
// because nsqlookupd can name many nsqd that do not exist, and an attempt to publish to each of them can take PublishTimeout.
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
		last := p.last.Load()
		slices.SortFunc(nodes, func(a, b *producerConn) int {
			switch last {
			case a:
				return -1
			case b:
				return 1
			}
			return cmp.Compare(p.rank(a.addr), p.rank(b.addr))
		})
		return
	}
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
}

// rank returns the number by which nsqd are sorted if Ordered is set. The order differs between Producers, so that not all of them
// prefer the same nsqd.
func (p *Producer) rank(addr string) uint64 { return maphash.String(p.seed, addr) }
