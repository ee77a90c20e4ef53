package balancer

// Stats counts the servers of a Balancer, for metrics.
type Stats struct {
	Servers    int    // servers in the membership
	Usable     int    // usable servers of all zones: alive, weight above 0, not ejected
	Suspects   int    // suspect servers with a weight above 0 that are not ejected
	Ejected    int    // servers that are ejected now
	Candidates int    // servers that Pick chooses from: fewer than Usable if the zone is preferred, more than Usable while Panic is true
	Starting   int    // candidates in their slow start
	Panic      bool   // suspects are candidates too, because too few servers are usable
	Ejections  uint64 // ejections since New
}

// Stats returns the counts as of the last Update, Tick or ejection. It does not block.
func (b *Balancer) Stats() Stats {
	s := b.view.Load().stats
	s.Ejections = b.ejections.Load()
	return s
}
