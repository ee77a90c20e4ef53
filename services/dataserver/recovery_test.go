package dataserver_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/services/dataserver"
)

// flaky is a Publisher that fails from 2.5 s to 6.5 s after the time flaky.start.
type flaky struct{ start time.Time }

func (f flaky) Publish(context.Context, string, []byte) error {
	if s := time.Since(f.start); s > 2500*time.Millisecond && s < 6500*time.Millisecond {
		return errors.New("busy")
	}
	return nil
}

func TestOnRecoveryIsCalledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		a, err := dataserver.NewAgent(dataserver.Config{
			Addr: "10.0.0.7:80", Interval: time.Second, Publisher: flaky{time.Now()},
			OnError:    func(error) { calls = append(calls, "error") },
			OnRecovery: func() { calls = append(calls, "recovery") },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- a.Run(ctx) }()
		time.Sleep(20 * time.Second)
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if i := slices.Index(calls, "recovery"); i < 2 || i != len(calls)-1 {
			t.Errorf("calls %q, want errors and then one recovery", calls)
		}
	})
}
