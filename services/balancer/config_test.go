package balancer_test

import (
	"strings"
	"testing"
	"time"

	"rollcall/services/balancer"
)

func TestConfigNamesWhatIsWrong(t *testing.T) {
	first := func(c []balancer.Candidate, _ balancer.Picker) balancer.Picker { return idlest(c) }
	for _, test := range []struct {
		name string
		cfg  balancer.Config
		want []string // in the error; none if there is none
	}{
		{"the zero value is useful", balancer.Config{}, nil},
		{"negative is off", balancer.Config{SlowStart: -1, Panic: -1, Ejection: balancer.Ejection{After: -1}}, nil},
		{"a policy of the caller", balancer.Config{Policy: "first", Builders: map[balancer.Policy]balancer.Builder{"first": first}}, nil},
		{"an unknown policy", balancer.Config{Policy: "best"}, []string{`policy "best"`}},
		{"more than all", balancer.Config{Panic: 101}, []string{"panic 101"}},
		{"longest before the first", balancer.Config{Ejection: balancer.Ejection{For: time.Hour}}, []string{"ejection.longest 1m0s"}},
		{"builders that cannot be", balancer.Config{Builders: map[balancer.Policy]balancer.Builder{"": first, "x": nil, "p2c": first}},
			[]string{"builders: a policy has no name", `builders: "x" is nil`, `builders: "p2c" is taken`}},
		{"all that is wrong at once", balancer.Config{Policy: "x", Panic: 1000, Ejection: balancer.Ejection{For: -1, Longest: -2, Percent: -1}},
			[]string{"policy", "panic", "ejection.for", "ejection.longest", "ejection.percent"}},
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
