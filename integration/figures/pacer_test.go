package figures

import (
	"sync"
	"time"

	"github.com/nsqio/go-nsq"

	"rollcall/events"
)

// pacerSpec describes a process that publishes heartbeats at a constant rate. It begins pacerDelay after its start, when the consumer is
// connected.
type pacerSpec struct {
	NSQD     string
	Messages int
	Rate     int // messages per second
}

const (
	pacerDelay    = 500 * time.Millisecond
	pacerInterval = time.Millisecond
)

func startChildPacer(spec pacerSpec) (string, func() error, error) {
	producer, err := nsq.NewProducer(spec.NSQD, nsq.NewConfig())
	if err != nil {
		return "", nil, err
	}
	producer.SetLoggerLevel(nsq.LogLevelError)
	if err := producer.Ping(); err != nil {
		return "", nil, err
	}
	ending := make(chan struct{})
	var running sync.WaitGroup
	var failed error
	running.Go(func() {
		defer producer.Stop() // the nsqd may end before this process
		failed = spec.publish(producer, ending)
	})
	return "publishes", func() error {
		close(ending)
		running.Wait()
		return failed
	}, nil
}

// publish publishes what is due in each interval as one MPUB. It returns after the last message, or when the channel ending is closed.
func (s pacerSpec) publish(producer *nsq.Producer, ending <-chan struct{}) error {
	begun := time.Now().Add(pacerDelay)
	every := time.NewTicker(pacerInterval)
	defer every.Stop()
	for sent := 0; sent < s.Messages; {
		select {
		case <-every.C:
		case <-ending:
			return nil
		}
		due := min(s.Messages, int(time.Since(begun).Seconds()*float64(s.Rate)))
		if due <= sent {
			continue
		}
		var batch [][]byte
		for ; sent < due; sent++ {
			batch = append(batch, consumerHeartbeat(sent))
		}
		if err := producer.MultiPublish(events.HeartbeatTopic, batch); err != nil {
			return err
		}
	}
	return nil
}
