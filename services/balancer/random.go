package balancer

// random draws one candidate in proportion to the weights.
type random struct{}

func (random) pick(c *candidates, _ uint64) *Endpoint { return c.draw().Endpoint }
