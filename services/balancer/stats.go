package balancer

// Stats counts the servers of a Balancer, for metrics.
type Stats struct {
	Servers    int    // in the membership
	Usable     int    // alive, weight above 0, not ejected; in all zones
	Suspects   int    // suspect, weight above 0, not ejected
	Ejected    int    // ejected now
	Candidates int    // servers that Pick chooses from: fewer than Usable if a zone is preferred, more in panic
	Starting   int    // candidates in their slow start
	Panic      bool   // suspects are candidates too, because too few servers are usable
	Ejections  uint64 // ejections since New
}

// Stats returns the counts as of the last change. It does not block.
func (b *Balancer) Stats() Stats {
	s := b.view.Load().stats
	s.Ejections = b.ejections.Load()
	return s
}
