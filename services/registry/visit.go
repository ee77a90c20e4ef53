package registry

import (
	"context"
	"time"
)

// visitStep is the largest number of servers that Run reads for one call, so that heartbeats wait for at most about a millisecond. It is a
// multiple of maxBlock.
const visitStep = 4 * maxBlock

// visit calls f in the goroutine of Run for each block, in order. Between two steps of at most visitStep servers, Run serves heartbeats and other calls. If
// visit returns an error, one more step can still be running.
func (r *Registry) visit(ctx context.Context, blocks []*Block, f func(*state, *Block)) error {
	for len(blocks) > 0 {
		n, servers := 1, len(blocks[0].records)
		for n < len(blocks) && servers+len(blocks[n].records) <= visitStep {
			servers += len(blocks[n].records)
			n++
		}
		step := blocks[:n]
		if _, err := query(ctx, r, func(s *state) struct{} {
			for _, b := range step {
				f(s, b)
			}
			return struct{}{}
		}); err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	return nil
}

// Vitals appends the current vitals of the servers in the blocks to the parameter into, in order, and returns the longer slice. The blocks come
// from a Membership of this registry. A server that has ended since has the vitals that it had at its end. Run reads the servers in
// steps, so heartbeats do not wait for long. After an error the memory of the parameters blocks and into must not be used again, because Run
// can still read the one and write the other.
func (r *Registry) Vitals(ctx context.Context, blocks []*Block, now time.Time, into []Vitals) ([]Vitals, error) {
	err := r.visit(ctx, blocks, func(s *state, b *Block) {
		lease := s.clock.at(s.age(now))
		for _, rec := range b.records {
			into = append(into, s.vitals(rec, lease))
		}
	})
	if err != nil {
		return nil, err
	}
	return into, nil
}

func blocksOf(services []*Service) []*Block {
	var blocks []*Block
	for _, s := range services {
		blocks = append(blocks, s.Blocks...)
	}
	return blocks
}
