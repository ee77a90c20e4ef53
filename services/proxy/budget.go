package proxy

import "sync/atomic"

// budgetWindow is the length in seconds of the sliding window of a budget.
const budgetWindow = 10

// budget counts requests and retries in a sliding window, like Finagle's RetryBudget. Any goroutine may call the methods request and take,
// but only one goroutine may call the method move.
type budget struct {
	Retry
	requests, spent [budgetWindow]atomic.Int64 // requests and retries in each second of the window
	now             atomic.Int64               // current second
}

// request counts a request.
func (b *budget) request() { b.requests[b.now.Load()%budgetWindow].Add(1) }

// take counts a retry and returns true. If the budget is used up, take counts nothing and returns false.
func (b *budget) take() bool {
	var requests, spent int64
	for i := range b.requests {
		requests += b.requests[i].Load()
		spent += b.spent[i].Load()
	}
	if spent*100 >= requests*int64(max(0, b.Percent))+100*budgetWindow*int64(max(0, b.PerSecond)) {
		return false
	}
	b.spent[b.now.Load()%budgetWindow].Add(1)
	return true
}

// move advances the window to the given second. A second before the current one has no effect.
func (b *budget) move(second int64) {
	from := max(b.now.Load(), second-budgetWindow)
	for s := from + 1; s <= second; s++ {
		b.requests[s%budgetWindow].Store(0)
		b.spent[s%budgetWindow].Store(0)
	}
	b.now.Store(max(second, b.now.Load()))
}

// unused reports whether no retry was taken in the window.
func (b *budget) unused() bool {
	for i := range b.spent {
		if b.spent[i].Load() != 0 {
			return false
		}
	}
	return true
}
