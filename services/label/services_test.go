package label_test

import (
	"fmt"
	"testing"

	"rollcall/services/label"
)

func TestTheFirstThousandServicesHaveAValueOfTheirOwn(t *testing.T) {
	s := label.NewServices()
	check := func(service, want string) {
		t.Helper()
		if got := s.Of(service); got != want {
			t.Errorf("%s: got %s, want %s", service, got, want)
		}
	}
	check("other", "other") // takes no room
	for i := range label.MaxServices {
		check(fmt.Sprint("s", i), fmt.Sprint("s", i))
	}
	check("late", "other")
	check("s0", "s0")
	if got := s.Known("late"); got != "other" {
		t.Errorf("late is known as %s", got)
	}
	s.Release("s1")
	if got := s.Known("late"); got != "other" {
		t.Errorf("late is known as %s once there is room, though it was only asked for", got)
	}
	check("late", "late")
	check("s1", "other")
	s.Retain(func(service string) bool { return service == "s2" })
	check("s1", "s1")
	if got := s.Known("s2"); got != "s2" {
		t.Errorf("s2 is known as %s, want what was retained", got)
	}
}
