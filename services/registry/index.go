package registry

// Index returns a number for the servers that q selects. The numbers of two memberships of one registry are different exactly if Differs returns
// true for them. The numbers of different queries, or of different processes, must not be compared.
//
// The cost is small if q is empty or has only a service. Otherwise it is proportional to the number of servers that the service, or the
// registry, has.
func (m *Membership) Index(q Query) uint64 {
	switch {
	case q.Service == "" && q.Whole():
		return m.Generation
	case q.Whole():
		return m.Service(q.Service).generation()
	}
	var sum uint64
	for _, s := range m.selected(q) {
		for _, b := range s.Blocks {
			for i, srv := range b.Servers {
				if q.Matches(srv) {
					sum += scatter(b.serials[i])
				}
			}
		}
	}
	return sum
}

// Whole reports whether q selects all servers of the service, or of the registry.
func (q *Query) Whole() bool {
	return q.State == "" && q.Zone == "" && len(q.Tags) == 0 && len(q.Meta) == 0
}

func (s *Service) generation() uint64 {
	if s == nil {
		return 0
	}
	return s.Generation
}

// scatter is the finalizer of SplitMix64: a bijection that makes sums of different sets of small numbers differ.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Differs reports whether the servers that q selects differ between two memberships of one registry. Without a filter each membership
// differs from each other. The cost is that of Changes.
func (m *Membership) Differs(before *Membership, q Query) bool {
	if q.Service != "" {
		return m.Service(q.Service).Differs(before.Service(q.Service), q)
	}
	if q.Whole() {
		return m != before
	}
	for was, is := range m.Changes(before) {
		if is.Differs(was, q) {
			return true
		}
	}
	return false
}

// Differs reports whether the servers that q selects differ between two states of one service. s and before may be nil. The cost is that of
// Changes.
func (s *Service) Differs(before *Service, q Query) bool {
	if s == before || q.Whole() {
		return s != before
	}
	for was, is := range s.Changes(before) {
		if was != nil && q.Matches(was) || is != nil && q.Matches(is) {
			return true
		}
	}
	return false
}
