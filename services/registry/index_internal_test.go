package registry

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rollcall/events"
)

// TestIndex adds, removes and changes servers at random. Index and Differs must notice exactly the changes of the selected servers.
func TestIndex(t *testing.T) {
	queries := []Query{
		{}, {Service: "service-0"}, {Service: "service-1", Zone: "a"}, {Zone: "a"}, {State: events.StateSuspect}, {Service: "service-0", Tags: []string{"blue"}},
	}
	rapid.Check(t, func(t *rapid.T) {
		s := newState(Config{})
		memberships := []*Membership{s.members()}
		known := make(map[key]*record)
		for range rapid.IntRange(1, 6).Draw(t, "memberships") {
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				k := key{fmt.Sprint("service-", rapid.IntRange(0, 1).Draw(t, "service")), fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "id"))}
				r := known[k]
				if r != nil && rapid.Bool().Draw(t, "removed") {
					delete(known, k)
					s.hide(r)
					continue
				}
				view := &events.Server{
					Service: k.service, ID: k.id, Zone: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone"),
					State: rapid.SampledFrom([]events.State{events.StateAlive, events.StateSuspect}).Draw(t, "state"),
					Tags:  rapid.SampledFrom([][]string{nil, {"blue"}}).Draw(t, "tags"),
				}
				if r == nil {
					known[k] = &record{view: view}
					s.show(known[k])
				} else {
					r.view = view
					s.changed(r)
				}
			}
			memberships = append(memberships, s.members())
		}
		for i, is := range memberships {
			for _, was := range memberships[:i] {
				for _, q := range queries {
					same := slices.Equal(was.Select(q), is.Select(q))
					if q.Service == "" && q.Whole() {
						same = false
					}
					indexes := was.Index(q) == is.Index(q)
					// A whole service that changed and changed back, for example because a server came and left, has a new index.
					if indexes != same && !(same && q.Whole()) {
						t.Fatalf("%+v: the indexes are equal: %v, the servers: %v", q, indexes, same)
					}
					if differs := is.Differs(was, q); differs == indexes {
						t.Fatalf("%+v: Differs is %v, the indexes are equal: %v", q, differs, indexes)
					}
				}
			}
		}
	})
}

func TestIndexOfServiceWithoutServers(t *testing.T) {
	s := newState(Config{})
	empty := s.members()
	r := &record{view: &events.Server{Service: "data", ID: "a"}}
	s.show(r)
	s.members()
	s.hide(r)
	for _, q := range []Query{{Service: "data"}, {Service: "data", Zone: "a"}, {Zone: "a"}} {
		if was, is := empty.Index(q), s.members().Index(q); was != is {
			t.Errorf("%+v: index %d of an empty selection, want %d as before", q, is, was)
		}
	}
}
