package balancer

import (
	"math"
	"math/rand/v2"
)

// lottery draws candidates in proportion to their weights, each draw in constant time: Walker's alias
// method, with the table built as by Vose, "A linear algorithm for generating random numbers with a
// given distribution" (1991). It is immutable.
type lottery struct {
	candidates []Candidate
	columns    []column // nil if all weights are equal: a draw needs no table then
}

// column i of the table belongs to candidate i but for its upper part, which is another's.
type column struct {
	own   uint32 // of 2^32, how much is candidate i's
	other int32  // whose the rest is
}

func newLottery(candidates []Candidate) lottery {
	l := lottery{candidates: candidates}
	total, equal := 0.0, true
	for _, c := range candidates {
		total += c.Weight
		equal = equal && c.Weight == candidates[0].Weight
	}
	if !equal {
		l.columns = columns(candidates, total/float64(len(candidates)))
	}
	return l
}

// columns fills up each candidate below the mean with the excess of one above it.
func columns(candidates []Candidate, mean float64) []column {
	columns := make([]column, len(candidates))
	height := make([]float64, len(candidates)) // of what is not placed yet, in columns
	var low, high []int32
	for i, c := range candidates {
		columns[i] = column{own: math.MaxUint32, other: int32(i)}
		height[i] = c.Weight / mean
		if height[i] < 1 {
			low = append(low, int32(i))
		} else {
			high = append(high, int32(i))
		}
	}
	for len(low) > 0 && len(high) > 0 {
		i, j := low[len(low)-1], high[len(high)-1]
		low = low[:len(low)-1]
		columns[i] = column{own: uint32(height[i] * (1 << 32)), other: j}
		height[j] -= 1 - height[i]
		if height[j] < 1 {
			high = high[:len(high)-1]
			low = append(low, j)
		}
	}
	return columns // what is left in low or high differs from 1 by rounding only
}

// draw returns the index of a candidate.
func (l *lottery) draw() int {
	r := rand.Uint64()
	i := int((r >> 32) * uint64(len(l.candidates)) >> 32)
	if l.columns != nil && uint32(r) > l.columns[i].own {
		return int(l.columns[i].other)
	}
	return i
}

// redraws bounds how often pair draws for a second candidate. It matters only where one candidate
// has nearly all the weight.
const redraws = 3

// pair draws two candidates, distinct if there are two.
func (l *lottery) pair() (first, second *Candidate) {
	n := len(l.candidates)
	i := l.draw()
	j := i
	switch {
	case n == 1:
	case n == 2:
		j = 1 - i
	default:
		for try := 0; j == i && try < redraws; try++ {
			j = l.draw()
		}
		if j == i {
			j = (i + 1 + rand.IntN(n-1)) % n
		}
	}
	return &l.candidates[i], &l.candidates[j]
}
