package balancer

// Stats counts, for metrics.
type Stats struct {
	Servers    int    // on the roll
	Usable     int    // alive, with a weight, not ejected; of all zones
	Suspects   int    // with a weight, not ejected
	Ejected    int    // now
	Candidates int    // among whom Pick chooses: fewer than Usable in a zone, more in panic
	Starting   int    // of them, in their slow start
	Panic      bool   // so few are usable that suspects are used
	Ejections  uint64 // since New
}

// Stats is the state as of the last change. It does not block.
func (b *Balancer) Stats() Stats {
	s := b.view.Load().stats
	s.Ejections = b.ejected.Load()
	return s
}
