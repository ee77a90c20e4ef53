package dataserver_test

import (
	"context"
	"fmt"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/dataserver"
	"rollcall/services/embednsq"
)

// Run publishes heartbeats until its context ends. A program uses the context of signal.NotifyContext.
func ExampleAgent() {
	nsqd, err := embednsq.StartNSQD(embednsq.NSQDConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = nsqd.Stop() }()
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()

	agent, err := dataserver.NewAgent(dataserver.Config{
		Addr: "10.0.0.7:8080",
		NSQ:  nsqpubsub.Cluster{NSQD: []string{nsqd.TCPAddr()}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = agent.Run(ctx) // returns after the leave is published: now shut down the HTTP server
	fmt.Println("run:", err)

	printMessages(nsqd, 3)
	// Output:
	// run: <nil>
	// heartbeat 1 of data 10.0.0.7:8080
	// heartbeat 2 of data 10.0.0.7:8080
	// leave 3 of data 10.0.0.7:8080
}

// printMessages prints the first n messages of the heartbeat topic.
func printMessages(nsqd *embednsq.NSQD, n int) {
	consumer, err := nsqpubsub.NewConsumer(nsqpubsub.ConsumerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{nsqd.TCPAddr()}}, Topic: events.HeartbeatTopic, Channel: "example", MaxInFlight: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = consumer.Run(ctx, func(_ context.Context, d *nsqpubsub.Delivery) error {
		h, err := events.DecodeHeartbeat(d.Body)
		if err != nil {
			return err
		}
		fmt.Println(h.Type, h.Seq, "of", h.Service, h.ID)
		if n--; n == 0 {
			cancel()
		}
		return nil
	})
}
