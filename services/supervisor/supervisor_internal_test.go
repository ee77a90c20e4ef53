package supervisor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// journal records the name of each part when the part ends.
type journal struct{ lines []string }

// part returns a part that needs a second to stop.
func (j *journal) part(name string, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(time.Second)
		j.lines = append(j.lines, name)
		return err
	}
}

func TestStopEndsTheLastPartFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := &journal{}, New()
		s.Start("a", j.part("a", nil))
		s.AtStop("b", func() error { j.lines = append(j.lines, "b"); return nil })
		s.Start("c", j.part("c", nil))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := s.Wait(ctx); err != nil {
			t.Error(err)
		}
		if want := []string{"c", "b", "a"}; !slices.Equal(j.lines, want) {
			t.Errorf("got %q, want %q", j.lines, want)
		}
	})
}

func TestPartsOutliveTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		var endedAt time.Duration
		start := time.Now()
		s.Start("first", func(ctx context.Context) error { <-ctx.Done(); endedAt = time.Since(start); return nil })
		s.AtStop("slow", func() error { time.Sleep(3 * time.Second); return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Wait(ctx); err != nil {
			t.Error(err)
		}
		if endedAt != 4*time.Second {
			t.Errorf("the first ended after %v, want when the one after it had: 4 s", endedAt)
		}
	})
}

func TestPartThatEndsStopsTheOthers(t *testing.T) {
	broken, late := errors.New("broken"), errors.New("late")
	for name, row := range map[string]struct {
		ends error
		want string
	}{
		"with an error": {broken, "b: broken\na: late"},
		"with none":     {nil, "b: ended unexpectedly\na: late"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, s := &journal{}, New()
				s.Start("a", j.part("a", late))
				s.Start("b", func(context.Context) error { time.Sleep(time.Second); return row.ends })
				s.Start("c", j.part("c", nil))
				err := s.Wait(t.Context())
				if err == nil || err.Error() != row.want {
					t.Errorf("got %q, want %q", err, row.want)
				}
				if !errors.Is(err, late) || row.ends != nil && !errors.Is(err, row.ends) {
					t.Errorf("%v does not wrap both", err)
				}
				if want := []string{"c", "a"}; !slices.Equal(j.lines, want) {
					t.Errorf("got %q, want %q", j.lines, want)
				}
			})
		})
	}
}

func TestStopWithoutWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := &journal{}, New()
		s.Start("a", j.part("a", nil))
		s.Start("b", j.part("b", nil))
		for range 2 { // the second call finds no part and returns nil
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		}
		if want := []string{"b", "a"}; !slices.Equal(j.lines, want) {
			t.Errorf("got %q, want %q", j.lines, want)
		}
	})
}

func TestManyPartsEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New()
		for range 100 {
			s.Start("p", func(context.Context) error { return errors.New("broken") })
		}
		if err := s.Wait(t.Context()); err == nil || strings.Count(err.Error(), "broken") != 100 {
			t.Errorf("got %v, want each", err)
		}
	})
}
