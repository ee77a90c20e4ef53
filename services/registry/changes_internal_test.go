package registry

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rollcall/events"
)

// TestChanges adds, removes and changes servers at random. It compares Changes with the difference of the two lists, and checks that what
// did not change is shared.
func TestChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newState(Config{})
		memberships := []*Membership{s.members()}
		known := make(map[key]*record)
		for range rapid.IntRange(1, 5).Draw(t, "memberships") {
			for range rapid.IntRange(1, 400).Draw(t, "changes") {
				k := key{fmt.Sprint("service-", rapid.IntRange(0, 3).Draw(t, "service")), fmt.Sprint(rapid.IntRange(0, 2000).Draw(t, "id"))}
				r := known[k]
				switch {
				case r == nil:
					r = &record{view: &events.Server{Service: k.service, ID: k.id, State: events.StateAlive}}
					known[k] = r
					s.show(r)
				case rapid.Bool().Draw(t, "removed"):
					delete(known, k)
					s.hide(r)
				default:
					view := *r.view
					r.view = &view
					s.changed(r)
				}
			}
			memberships = append(memberships, s.members())
		}
		is := memberships[len(memberships)-1]
		if is.Len() != len(known) {
			t.Fatalf("%d servers, want %d", is.Len(), len(known))
		}
		for _, was := range memberships {
			compareChanges(t, was, is)
		}
	})
}

func compareChanges(t *rapid.T, was, is *Membership) {
	want := make(map[key][2]*events.Server)
	for srv := range was.All() {
		want[key{srv.Service, srv.ID}] = [2]*events.Server{srv, nil}
	}
	for srv := range is.All() {
		k := key{srv.Service, srv.ID}
		want[k] = [2]*events.Server{want[k][0], srv}
		if is.Service(k.service).Server(k.id) != srv {
			t.Fatalf("%v is not found by its name and id", k)
		}
	}
	for k, pair := range want {
		if pair[0] == pair[1] {
			delete(want, k)
		}
	}
	var order []string
	for a, b := range is.Changes(was) {
		for old, now := range b.Changes(a) {
			srv := now
			if now == nil {
				srv = old
			}
			k := key{srv.Service, srv.ID}
			if want[k] != [2]*events.Server{old, now} {
				t.Fatalf("%v changed from %p to %p, want %v", k, old, now, want[k])
			}
			delete(want, k)
			order = append(order, k.service+"/"+k.id)
		}
	}
	if len(want) > 0 {
		t.Fatalf("%d changes are missing", len(want))
	}
	if !slices.IsSorted(order) {
		t.Fatal("the changes are out of order")
	}
}

// A change of one server makes one new Block.
func TestMembershipsShareBlocks(t *testing.T) {
	s := newState(Config{})
	var records []*record
	for i := range 10_000 {
		r := &record{view: &events.Server{Service: fmt.Sprint("service-", i%2), ID: fmt.Sprint(i), State: events.StateAlive}}
		records = append(records, r)
		s.show(r)
	}
	was := s.members()
	view := *records[5000].view
	records[5000].view = &view
	s.changed(records[5000])
	is := s.members()
	if was.Services[1] != is.Services[1] {
		t.Error("a service that did not change is not shared")
	}
	fresh := 0
	for i, b := range is.Services[0].Blocks {
		if was.Services[0].Blocks[i] != b {
			fresh++
		}
	}
	if fresh != 1 || len(is.Services[0].Blocks) < 5000/maxBlock {
		t.Errorf("%d of %d blocks are new, want 1", fresh, len(is.Services[0].Blocks))
	}
}
