package registry

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"rollcall/events"
)

// maxBlock is the largest number of servers in a Block. A transition copies one Block of at most 2 KiB, and a slice with one pointer for
// each Block of the service.
const maxBlock = 256

// group holds the records of one service, sorted by id, in blocks. It makes a new Service only after a change, and then only the blocks
// that have changed.
type group struct {
	blocks []*block
	shown  *Service // nil after a change
}

// block has between 1 and maxBlock records, sorted by id.
type block struct {
	records []*record
	shared  bool   // a Block has the slice records, so it must not be modified
	shown   *Block // nil after a change
}

// edit prepares a change of the slice b.records.
func (b *block) edit() {
	if b.shared {
		b.records, b.shared = slices.Clone(b.records), false
	}
	b.shown = nil
}

// find returns the position of the record with an id, or the position at which to insert it. If all ids are lower, the block is the last.
func (g *group) find(id string) (b *block, i int, found bool) {
	at, _ := slices.BinarySearchFunc(g.blocks, id, func(b *block, id string) int {
		return strings.Compare(b.records[len(b.records)-1].view.ID, id)
	})
	b = g.blocks[min(at, len(g.blocks)-1)]
	i, found = slices.BinarySearchFunc(b.records, id, func(r *record, id string) int { return strings.Compare(r.view.ID, id) })
	return b, i, found
}

func (g *group) insert(r *record) {
	g.shown = nil
	if len(g.blocks) == 0 {
		g.blocks = []*block{{records: []*record{r}}}
		return
	}
	b, i, _ := g.find(r.view.ID)
	b.edit()
	b.records = slices.Insert(b.records, i, r)
	if len(b.records) > maxBlock {
		half := len(b.records) / 2
		next := &block{records: slices.Clone(b.records[half:])}
		b.records = slices.Delete(b.records, half, len(b.records))
		g.blocks = slices.Insert(g.blocks, slices.Index(g.blocks, b)+1, next)
	}
}

// The method remove takes out the record with an id. Blocks that have become small are joined.
func (g *group) remove(id string) {
	b, i, found := g.find(id)
	if !found {
		return
	}
	g.shown = nil
	b.edit()
	b.records = slices.Delete(b.records, i, i+1)
	if len(b.records) > maxBlock/4 {
		return
	}
	switch at := slices.Index(g.blocks, b); {
	case len(b.records) == 0:
		g.blocks = slices.Delete(g.blocks, at, at+1)
	case at > 0 && len(b.records)+len(g.blocks[at-1].records) <= maxBlock/2:
		g.join(at - 1)
	case at+1 < len(g.blocks) && len(b.records)+len(g.blocks[at+1].records) <= maxBlock/2:
		g.join(at)
	}
}

// The method join joins the blocks at and at+1.
func (g *group) join(at int) {
	b := g.blocks[at]
	b.edit()
	b.records = append(b.records, g.blocks[at+1].records...)
	g.blocks = slices.Delete(g.blocks, at+1, at+2)
}

// The method changed notes that the record with an id has a new view.
func (g *group) changed(id string) {
	if b, _, found := g.find(id); found {
		g.shown, b.shown = nil, nil
	}
}

// show returns the Service of the group. A new one gets the parameter generation.
func (g *group) show(name string, generation uint64) *Service {
	if g.shown == nil {
		s := &Service{Name: name, Generation: generation, Blocks: make([]*Block, len(g.blocks))}
		for i, b := range g.blocks {
			s.Blocks[i] = b.show()
			s.Counts.Add(s.Blocks[i].Counts)
		}
		g.shown = s
	}
	return g.shown
}

func (b *block) show() *Block {
	if b.shown == nil {
		shown := &Block{Servers: make([]*events.Server, len(b.records)), serials: make([]uint64, len(b.records)), records: b.records}
		for i, r := range b.records {
			shown.Servers[i], shown.serials[i] = r.view, r.serial
			switch r.view.State {
			case events.StateAlive:
				shown.Counts.Alive++
			case events.StateSuspect:
				shown.Counts.Suspect++
			case events.StateDraining:
				shown.Counts.Draining++
			}
		}
		b.shown, b.shared = shown, true
	}
	return b.shown
}

// The method show adds the server r to the group of its service, so that the next membership shows it.
func (s *state) show(r *record) {
	g := s.services[r.view.Service]
	if g == nil {
		g = new(group)
		s.services[r.view.Service] = g
	}
	g.insert(r)
	s.touch(r)
}

// The method hide takes the server r out of the group of its service.
func (s *state) hide(r *record) {
	g := s.services[r.view.Service]
	if g.remove(r.view.ID); len(g.blocks) == 0 {
		delete(s.services, r.view.Service)
	}
	s.touch(r)
}

// The method changed notes that the server r has a new view, so that the next membership shows it.
func (s *state) changed(r *record) {
	if g := s.services[r.view.Service]; g != nil {
		g.changed(r.view.ID)
	}
	s.touch(r)
}

// The method touch gives r a new serial, and notes that its service has changed.
func (s *state) touch(r *record) {
	s.serial++
	r.serial = s.serial
	s.membership = nil
	s.touched[r.view.Service] = struct{}{}
}

// The method members returns the current membership. It builds a new membership only after a change.
func (s *state) members() *Membership {
	if s.membership == nil {
		s.generation++
		s.listServices()
		s.membership = &Membership{
			Revision: s.revision, Generation: s.generation, Mode: s.mode, Complete: s.complete, Silent: s.silent, Conflict: s.conflict, Services: s.listed,
		}
	}
	return s.membership
}

// listServices replaces s.listed, in which it replaces the services that have changed. It appends their names to s.relisted.
func (s *state) listServices() {
	if len(s.touched) == 0 {
		return
	}
	next := make([]*Service, 0, len(s.services))
	rest := s.listed
	for _, name := range slices.Sorted(maps.Keys(s.touched)) {
		i, found := slices.BinarySearchFunc(rest, name, (*Service).compareName)
		next = append(next, rest[:i]...)
		if rest = rest[i:]; found {
			rest = rest[1:]
		}
		if g := s.services[name]; g != nil {
			next = append(next, g.show(name, s.generation))
		}
		s.relisted = append(s.relisted, name)
	}
	s.listed = append(next, rest...)
	clear(s.touched)
}

// records yields the records of all servers, sorted by service and id. No server may be registered or removed meanwhile.
func (s *state) records() iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for _, service := range s.members().Services {
			for _, b := range service.Blocks {
				for _, r := range b.records {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}
