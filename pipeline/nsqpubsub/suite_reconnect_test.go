//go:build !race

package nsqpubsub_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
)

// TestSuiteReconnect runs the suite's TestReconnect, which restarts nsqd twice while 100 goroutines publish. TestReconnect has a data
// race in its list of published messages, so it cannot run under the race detector; TestNoMessageIsLostWhenNSQDRestarts replaces it
// there.
func TestSuiteReconnect(t *testing.T) {
	l := fixture.Lookupd(t)
	for name, setup := range map[string]struct {
		lookupd     string
		maxInFlight int
	}{
		"on nsqd":         {"", 10},
		"through lookupd": {l.TCPAddr(), 10},
		"in order":        {"", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := mustNSQDProcess(t, setup.lookupd)
			cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
			if setup.lookupd != "" {
				cluster = nsqpubsub.Cluster{Lookupd: []string{l.HTTPAddr()}}
				awaitNodes(t, l, 1)
			}
			features := tests.Features{
				ConsumerGroups:        true,
				Persistent:            true,
				GuaranteedOrder:       setup.maxInFlight == 1,
				RestartServiceCommand: n.restartCommand(t),
			}
			slow := func(s *nsqpubsub.Subscriber) message.Subscriber { return &lastDelayed{Subscriber: s} }
			tests.TestReconnect(t, tests.TestContext{TestID: tests.NewTestID(), Features: features},
				pubSubs{cluster, setup.maxInFlight, slow}.one)
		})
	}
}

// lastDelayed delays the last message of TestReconnect. As soon as TestReconnect has received all messages, it compares them with its
// list of published messages. Without the delay, the last message may not be in that list yet.
type lastDelayed struct {
	*nsqpubsub.Subscriber
	forwarding sync.WaitGroup
}

func (s *lastDelayed) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	in, err := s.Subscriber.Subscribe(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := make(chan *message.Message)
	s.forwarding.Go(func() {
		defer close(out)
		seen := make(map[string]bool)
		for m := range in {
			seen[m.UUID] = true
			if len(seen) == 10_000 {
				<-time.After(250 * time.Millisecond)
			}
			select {
			case out <- m:
			case <-m.Context().Done():
			}
		}
	})
	return out, nil
}

func (s *lastDelayed) Close() error {
	err := s.Subscriber.Close()
	s.forwarding.Wait()
	return err
}
