package proxy

import "sync/atomic"

// budgetWindow is the length of the sliding window in seconds.
const budgetWindow = 10

// budget counts requests and retries in a sliding window, like Finagle's RetryBudget. Only move must not be called concurrently.
type budget struct {
	Retry
	requests, spent [budgetWindow]atomic.Int64 // in each second of the window
	now             atomic.Int64               // current second
}

// request counts a request.
func (b *budget) request() { b.requests[b.now.Load()%budgetWindow].Add(1) }

// take counts a retry and reports true, or reports false if the budget is used up.
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

// move advances the window to second. It does not go back.
func (b *budget) move(second int64) {
	from := max(b.now.Load(), second-budgetWindow)
	for s := from + 1; s <= second; s++ {
		b.requests[s%budgetWindow].Store(0)
		b.spent[s%budgetWindow].Store(0)
	}
	b.now.Store(max(second, b.now.Load()))
}
