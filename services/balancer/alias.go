package balancer

import (
	"math"
	"math/rand/v2"
)

// aliases draws one of n numbers in proportion to their weights, in constant time. It is the table of Walker's alias method, built as in
// Vose, "A linear algorithm for generating random numbers with a given distribution" (1991). It is nil if all weights are equal.
type aliases []column

// column is one column of the alias table. Two numbers share column i: the number i, and the number other.
type column struct {
	own   uint32 // part of column i that belongs to the number i, in units of 2^-32
	other int32  // owner of the rest of the column
}

// newAliases builds the table for the weights weight(0) to weight(n-1). A number with less than the mean weight does not fill its column. The
// rest of this column goes to a number with more than the mean weight.
func newAliases(n int, weight func(int) float64) aliases {
	total, equal := 0.0, true
	for i := range n {
		total += weight(i)
		equal = equal && weight(i) == weight(0)
	}
	if equal {
		return nil
	}
	columns := make(aliases, n)
	height := make([]float64, n) // for each number, its weight that no column contains yet; 1 is a full column
	stacks := make([]int32, n)   // from the start: the numbers that do not fill a column; from the end: the numbers that do
	low, high := 0, n
	for i := range n {
		columns[i] = column{own: math.MaxUint32, other: int32(i)}
		if height[i] = weight(i) * float64(n) / total; height[i] < 1 {
			stacks[low] = int32(i)
			low++
		} else {
			high--
			stacks[high] = int32(i)
		}
	}
	for low > 0 && high < n {
		low--
		i, j := stacks[low], stacks[high]
		columns[i] = column{own: uint32(height[i] * (1 << 32)), other: j}
		if height[j] -= 1 - height[i]; height[j] < 1 {
			high++
			stacks[low] = j
			low++
		}
	}
	return columns // each number that remains in a stack fills its own column, apart from rounding errors
}

// draw draws one of the numbers 0 to n-1. n is the number of weights with which the table was built.
func (a aliases) draw(n int) int {
	r := rand.Uint64()
	i := int((r >> 32) * uint64(n) >> 32)
	if a != nil && uint32(r) > a[i].own {
		return int(a[i].other)
	}
	return i
}
