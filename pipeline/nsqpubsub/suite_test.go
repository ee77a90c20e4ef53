package nsqpubsub_test

import (
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// These tests run Watermill's suite; its TestReconnect is in suite_reconnect_test.go.

func TestSuiteOnNSQD(t *testing.T) {
	t.Parallel()
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	// The suite does not see SubscribeInitialize, so Subscribe must create topic and channel.
	hide := func(s *nsqpubsub.Subscriber) message.Subscriber { return struct{ message.Subscriber }{s} }
	runSuite(t, tests.Features{}, pubSubs{nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}, 10, hide})
}

func TestSuiteThroughLookupd(t *testing.T) {
	t.Parallel()
	l := fixture.Lookupd(t)
	for range 2 {
		fixture.NSQD(t, embednsq.NSQDConfig{Lookupd: []string{l.TCPAddr()}})
	}
	awaitNodes(t, l, 2)
	runSuite(t, tests.Features{}, pubSubs{nsqpubsub.Cluster{Lookupd: []string{l.HTTPAddr()}}, 10, asIs})
}

func TestSuiteInOrder(t *testing.T) {
	t.Parallel()
	n := fixture.NSQD(t, embednsq.NSQDConfig{})
	features := tests.Features{GuaranteedOrder: true, GuaranteedOrderWithSingleSubscriber: true}
	runSuite(t, features, pubSubs{nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}, 1, asIs})
}

func runSuite(t *testing.T, features tests.Features, p pubSubs) {
	t.Helper()
	features.ConsumerGroups = true
	features.Persistent = true
	tests.TestPubSub(t, features, p.one, p.ofGroup)
}

// pubSubs creates publishers and subscribers for the suite.
type pubSubs struct {
	cluster     nsqpubsub.Cluster
	maxInFlight int
	as          func(*nsqpubsub.Subscriber) message.Subscriber
}

func asIs(s *nsqpubsub.Subscriber) message.Subscriber { return s }

func (p pubSubs) one(t *testing.T) (message.Publisher, message.Subscriber) {
	t.Helper()
	return p.ofGroup(t, "test")
}

func (p pubSubs) ofGroup(t *testing.T, channel string) (message.Publisher, message.Subscriber) {
	t.Helper()
	pub := mustPublisher(t, nsqpubsub.PublisherConfig{
		ProducerConfig: nsqpubsub.ProducerConfig{Cluster: p.cluster},
		Marshaler:      envelope{},
	})
	sub := mustSubscriber(t, nsqpubsub.SubscriberConfig{
		ConsumerConfig: nsqpubsub.ConsumerConfig{Cluster: p.cluster, Channel: channel, MaxInFlight: p.maxInFlight},
		Unmarshaler:    envelope{},
	})
	return pub, p.as(sub)
}
