package balancer_test

import (
	"strings"
	"testing"
	"time"

	"rollcall/services/balancer"
)

func TestConfigErrorNamesField(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  balancer.Config
		want []string // parts of the error; nil if cfg is valid
	}{
		{"the zero value is valid", balancer.Config{}, nil},
		{"a negative value turns a feature off", balancer.Config{SlowStart: -1, Panic: -1, Eject: balancer.Ejection{After: -1}}, nil},
		{"an unknown policy", balancer.Config{Policy: "best"}, []string{`policy "best"`}},
		{"panic above 100 percent", balancer.Config{Panic: 101}, []string{"panic 101"}},
		{"longest ejection shorter than the first", balancer.Config{Eject: balancer.Ejection{For: time.Hour}}, []string{"eject.longest 1m0s"}},
		{"the error names all invalid fields", balancer.Config{Policy: "x", Panic: 1000, Eject: balancer.Ejection{For: -1, Longest: -2, Percent: -1}},
			[]string{"policy", "panic", "eject.for", "eject.longest", "eject.percent"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := balancer.New(test.cfg)
			if (err == nil) != (len(test.want) == 0) || (b == nil) != (err != nil) {
				t.Fatalf("got %v, %v", b, err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), "balancer: "+want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}
