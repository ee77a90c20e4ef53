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
		{"success at the start", 0, nil, false},
		{"first failure", 1 * time.Second, errors.New("a"), true},
		{"second failure", 2 * time.Second, errors.New("b"), false},
		{"failure just before a minute has passed", 61*time.Second - 1, errors.New("c"), false},
		{"failure after a minute", 61 * time.Second, errors.New("d"), true},
		{"next failure", 62 * time.Second, errors.New("e"), false},
		{"recovery", 63 * time.Second, nil, true},
		{"success after a success", 64 * time.Second, nil, false},
		{"failure after a recovery", 65 * time.Second, errors.New("f"), true},
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
			t.Errorf("%s: current error %v since %v, want %v", step.name, err, since, step.err)
		}
	}
	if since, _ := l.Current(); !since.Equal(start.Add(65 * time.Second)) {
		t.Errorf("failing since %v, want the first failure after the recovery", since)
	}
}
