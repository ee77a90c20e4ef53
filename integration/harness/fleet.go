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

// FleetSpec describes many data servers in one process.
type FleetSpec struct {
	Prefix  string // prefix of the ids of the servers
	Servers int
	Spread  time.Duration // from the start of the first server to the start of the last server
	NSQD    []string      // TCP addresses of nsqd
	Lookupd []string      // HTTP addresses of nsqlookupd
}

func (s FleetSpec) id(i int) string { return fmt.Sprintf("%s-%04d", s.Prefix, i) }

// serversPerProducer is the number of servers of a fleet that share an NSQ producer. If every server had a producer, the fleet would open
// thousands of connections.
const serversPerProducer = 10

func startChildFleet(spec FleetSpec) (string, func() error, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var producers []*nsqpubsub.Producer
	listening, failed := make(chan string, spec.Servers), make(chan error, spec.Servers)
	for i := range spec.Servers {
		if i%serversPerProducer == 0 {
			p, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{
				Cluster: nsqpubsub.Cluster{NSQD: spec.NSQD, Lookupd: spec.Lookupd}, PublishTimeout: 400 * time.Millisecond, // PublishTimeout is as long as in dataserver.Agent
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
			Agent:    dataserver.Config{ID: spec.id(i), Publisher: producers[i/serversPerProducer]},
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

// Fleet is a process of many data servers.
type Fleet struct {
	*Process
	IDs []string
}

// StartFleet starts a fleet, and returns when every server has started.
func StartFleet(tb testing.TB, spec FleetSpec) *Fleet {
	tb.Helper()
	f := &Fleet{Process: StartChild(tb, ChildCommand(tb, "fleet", spec))}
	for i := range spec.Servers {
		f.IDs = append(f.IDs, spec.id(i))
	}
	return f
}
