package label_test

import (
	"fmt"
	"testing"

	"rollcall/services/label"
)

func TestFirstThousandServicesHaveTheirOwnValue(t *testing.T) {
	s := label.NewServices()
	check := func(service, want string) {
		t.Helper()
		if got := s.Of(service); got != want {
			t.Errorf("%s: got %s, want %s", service, got, want)
		}
	}
	check("other", "other") // the service "other" must not count as one of MaxServices
	for i := range label.MaxServices {
		check(fmt.Sprint("s", i), fmt.Sprint("s", i))
	}
	check("late", "other")
	check("s0", "s0")
	if got := s.Known("late"); got != "other" {
		t.Errorf("Known: got %s for a service above the limit, want other", got)
	}
	s.Release("s1")
	if got := s.Known("late"); got != "other" {
		t.Errorf("Known: got %s after a release, want other: Known must not take room", got)
	}
	check("late", "late")
	check("s1", "other")
	s.Retain(func(service string) bool { return service == "s2" })
	check("s1", "s1")
	if got := s.Known("s2"); got != "s2" {
		t.Errorf("Known: got %s, want s2, which was retained", got)
	}
}
