package subscriber_test

import (
	"context"
	"fmt"
	"log"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
	"rollcall/services/subscriber"
)

func ExampleSubscriber() {
	nsqd, err := embednsq.StartNSQD(embednsq.NSQDConfig{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = nsqd.Stop() }()
	publishEvents(nsqd.TCPAddr()) // as an API server does

	sub, err := subscriber.New(subscriber.Config{
		NSQ: nsqpubsub.Cluster{NSQD: []string{nsqd.TCPAddr()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = sub.Run(ctx, func(_ context.Context, e events.Event) error {
		switch e := e.(type) {
		case events.ServerRegistered:
			fmt.Println(e.Server.Addr, "registered")
		case events.ServerExpired:
			fmt.Println(e.Server.Addr, "expired:", e.Cause)
			cancel()
		}
		return nil
	})
	fmt.Println("error:", err)

	// Output:
	// 10.0.0.7:8080 registered
	// 10.0.0.7:8080 expired: ttl
	// error: <nil>
}

// publishEvents publishes the registration and the expiry of one server.
func publishEvents(nsqd string) {
	producer, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{nsqd}}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = producer.Close() }()
	server := events.Server{Service: "data", ID: "s7", Addr: "10.0.0.7:8080"}
	for _, e := range []events.Event{
		events.ServerRegistered{Transition: events.Transition{
			ID: "1", Revision: 1, Observer: "api-1", Server: server, Cause: events.CauseHeartbeat,
		}},
		events.ServerExpired{Transition: events.Transition{
			ID: "2", Revision: 2, Observer: "api-1", Server: server, Cause: events.CauseTTL,
		}},
	} {
		body, err := events.Encode(e)
		if err == nil {
			err = producer.Publish(context.Background(), events.EventTopic, body)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}
