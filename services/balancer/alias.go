package balancer

import (
	"math"
	"math/rand/v2"
)

// lottery draws candidates in proportion to their weights, in constant time. It uses Walker's alias method; the table is built as in
// Vose, "A linear algorithm for generating random numbers with a given distribution" (1991). A lottery is immutable.
type lottery struct {
	candidates []candidate
	columns    []column // nil if all weights are equal
}

// column is one column of the alias table. Two candidates share column number i: candidate number i and the candidate with the index other.
type column struct {
	own   uint32 // part of column number i that belongs to candidate number i, in units of 2^-32
	other int32  // index of the candidate that owns the rest of the column
}

func newLottery(candidates []candidate) lottery {
	l := lottery{candidates: candidates}
	total, equal := 0.0, true
	for _, c := range candidates {
		total += c.weight
		equal = equal && c.weight == candidates[0].weight
	}
	if !equal {
		l.columns = columns(candidates, total/float64(len(candidates)))
	}
	return l
}

// columns builds the alias table. A candidate with less than the mean weight does not fill its column. The rest of this column goes to a
// candidate with more than the mean weight.
func columns(candidates []candidate, mean float64) []column {
	columns := make([]column, len(candidates))
	height := make([]float64, len(candidates)) // for each candidate, its weight that no column contains yet; 1 is a full column
	var low, high []int32
	for i, c := range candidates {
		columns[i] = column{own: math.MaxUint32, other: int32(i)}
		height[i] = c.weight / mean
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
	return columns // each candidate that remains in the slice low or high fills its own column, apart from rounding errors
}

// draw draws a candidate with a probability in proportion to its weight, and returns the candidate's index.
func (l *lottery) draw() int {
	r := rand.Uint64()
	i := int((r >> 32) * uint64(len(l.candidates)) >> 32)
	if l.columns != nil && uint32(r) > l.columns[i].own {
		return int(l.columns[i].other)
	}
	return i
}

// redraws bounds how often the method pair draws the second candidate: it draws again if the second candidate is the same as the first. The
// bound matters only if one candidate has most of the weight.
const redraws = 3

// pair draws two different candidates. If there is only one candidate, it returns this candidate twice.
func (l *lottery) pair() (first, second *candidate) {
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
