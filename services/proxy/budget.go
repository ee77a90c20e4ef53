package proxy

import "sync/atomic"

// budgetWindow is over how many seconds a budget is counted.
const budgetWindow = 10

// budget counts requests and further attempts over a sliding window, as Finagle's RetryBudget does. Any goroutine may
// count; one moves it on.
type budget struct {
	Retry
	requests, spent [budgetWindow]atomic.Int64 // by second
	now             atomic.Int64               // the second that is counted
}

func (b *budget) request() { b.requests[b.now.Load()%budgetWindow].Add(1) }

// take takes one further attempt out of the budget, if there is one.
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

// move makes second the one that is counted.
func (b *budget) move(second int64) {
	from := max(b.now.Load(), second-budgetWindow)
	for s := from + 1; s <= second; s++ {
		b.requests[s%budgetWindow].Store(0)
		b.spent[s%budgetWindow].Store(0)
	}
	b.now.Store(max(second, b.now.Load()))
}
