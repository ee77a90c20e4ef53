package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/dataserver"
)

// FleetSpec is many data servers in one process, which come one after the other within Spread.
type FleetSpec struct {
	Prefix  string // of their ids
	Servers int
	Spread  time.Duration
	NSQD    []string
	Lookupd []string
}

func (s FleetSpec) id(i int) string { return fmt.Sprintf("%s-%04d", s.Prefix, i) }

// together is how many servers of a fleet share a producer: one for each would be thousands of connections.
const together = 10

func startChildFleet(spec FleetSpec) (string, func() error, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var producers []*nsqpubsub.Producer
	listening, failed := make(chan string, spec.Servers), make(chan error, spec.Servers)
	for i := range spec.Servers {
		if i%together == 0 {
			p, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{
				Cluster: nsqpubsub.Cluster{NSQD: spec.NSQD, Lookupd: spec.Lookupd}, PublishTimeout: 400 * time.Millisecond, // an agent's
			})
			if err != nil {
				cancel()
				return "", nil, err
			}
			producers = append(producers, p)
		}
		s, err := dataserver.NewServer(dataserver.ServerConfig{
			OnListen: func(listen, _ string) { listening <- listen },
			Linger:   time.Millisecond,
			Agent:    dataserver.Config{ID: spec.id(i), Publisher: producers[i/together]},
		})
		if err != nil {
			cancel()
			return "", nil, err
		}
		running.Go(func() {
			select {
			case <-time.After(spec.Spread * time.Duration(i) / time.Duration(spec.Servers)):
				failed <- s.Run(ctx)
			case <-ctx.Done():
			}
		})
	}
	stop := func() error {
		cancel()
		running.Wait()
		for _, p := range producers {
			_ = p.Close()
		}
		return nil
	}
	for range spec.Servers {
		select {
		case <-listening:
		case err := <-failed:
			return "", nil, errors.Join(err, stop())
		}
	}
	return "serves", stop, nil
}

// fleet is many data servers in one process.
type fleet struct {
	*Process
	IDs []string
}

func StartFleet(tb testing.TB, spec FleetSpec) *fleet {
	tb.Helper()
	f := &fleet{Process: StartChild(tb, ChildCommand(tb, "fleet", spec))}
	for i := range spec.Servers {
		f.IDs = append(f.IDs, spec.id(i))
	}
	return f
}
