package outage_test

import (
	"errors"
	"testing"
	"time"

	"rollcall/pipeline/outage"
)

func TestLog(t *testing.T) {
	var l outage.Log
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		name string
		at   time.Duration
		err  error
		want bool
	}{
		{"a success at the start is not logged", 0, nil, false},
		{"the first failure", 1 * time.Second, errors.New("a"), true},
		{"the next one", 2 * time.Second, errors.New("b"), false},
		{"one tick short of a minute", 61*time.Second - 1, errors.New("c"), false},
		{"a minute after the first", 61 * time.Second, errors.New("d"), true},
		{"and after that", 62 * time.Second, errors.New("e"), false},
		{"the recovery", 63 * time.Second, nil, true},
		{"a success after a success", 64 * time.Second, nil, false},
		{"a failure after a recovery", 65 * time.Second, errors.New("f"), true},
	} {
		now := start.Add(step.at)
		var got bool
		if step.err != nil {
			got = l.Failed(now, step.err)
		} else {
			_, got = l.Succeeded()
		}
		if got != step.want {
			t.Errorf("%s: got %v, want %v", step.name, got, step.want)
		}
		if since, err := l.Current(); !errors.Is(err, step.err) || since.IsZero() != (step.err == nil) {
			t.Errorf("%s: the current failure is %v since %v, want %v", step.name, err, since, step.err)
		}
	}
	if since, _ := l.Current(); !since.Equal(start.Add(65 * time.Second)) {
		t.Errorf("fails since %v, want the first failure after the recovery", since)
	}
}
