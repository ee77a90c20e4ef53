package nsqpubsub_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

// mustPublisherThroughLink returns a Publisher whose only nsqd is behind a Link, which records what the Publisher sends.
func mustPublisherThroughLink(t *testing.T, cfg embednsq.NSQDConfig) (*nsqpubsub.Publisher, *fixture.Link) {
	t.Helper()
	link := fixture.NewLink(t, fixture.NSQD(t, cfg).TCPAddr())
	return mustPublisher(t, nsqpubsub.PublisherConfig{ProducerConfig: nsqpubsub.ProducerConfig{
		Cluster: nsqpubsub.Cluster{NSQD: []string{link.Addr}},
	}}), link
}

func messagesOf(bodies ...string) (messages []*message.Message) {
	for _, body := range bodies {
		messages = append(messages, message.NewMessage("id", []byte(body)))
	}
	return messages
}

func numbers(n int) (bodies []string) {
	for i := range n {
		bodies = append(bodies, fmt.Sprint(i))
	}
	return bodies
}

func TestMessagesPublishedTogether(t *testing.T) {
	large := strings.Repeat("x", 400<<10)
	for _, tt := range []struct {
		name      string
		bodies    []string
		mpub, pub int // number of commands
	}{
		{"no message", nil, 0, 0},
		{"one message", numbers(1), 0, 1},
		{"two messages", numbers(2), 1, 0},
		{"1000 messages fit in one command", numbers(1000), 1, 0},
		{"1001 messages do not", numbers(1001), 1, 1},
		{"2500 messages", numbers(2500), 3, 0},
		{"1 MiB fits in one command", []string{large, large, strings.Repeat("y", 1<<20-2*len(large)), "z"}, 1, 1},
		{"one byte more does not", []string{large, large, strings.Repeat("y", 1<<20-2*len(large)+1), "z"}, 2, 0},
		{"each message is as large as a command", []string{strings.Repeat("x", 1<<20), strings.Repeat("y", 1<<20)}, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, link := mustPublisherThroughLink(t, embednsq.NSQDConfig{})
			if err := p.Publish("t", messagesOf(tt.bodies...)...); err != nil {
				t.Fatal(err)
			}
			sent := link.Sent()
			if mpub, all := strings.Count(sent, "MPUB t\n"), strings.Count(sent, "PUB t\n"); mpub != tt.mpub || all-mpub != tt.pub {
				t.Errorf("%d commands MPUB and %d PUB, want %d and %d", mpub, all-mpub, tt.mpub, tt.pub)
			}
			if len(tt.bodies) == 0 {
				return
			}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{link.Addr}}, MaxInFlight: 1})
			fixture.Eventually(t, 10*time.Second, "every message arrives", func() bool { return c.len() >= len(tt.bodies) })
			c.mu.Lock()
			defer c.mu.Unlock()
			if !slices.Equal(c.bodies, tt.bodies) {
				t.Error("the messages do not arrive in order")
			}
		})
	}
}

func TestMessagesPublishedTogetherFailTogether(t *testing.T) {
	long := strings.Repeat("x", 2049)
	for _, tt := range []struct {
		name   string
		tune   func(*nsqd.Options)
		bodies []string
	}{
		{"nsqd rejects one of them", smallMessages, []string{"a", long, "b"}},
		{"one is empty", func(*nsqd.Options) {}, []string{"a", "", "b"}},
		{"too large together for nsqd", func(o *nsqd.Options) { o.MaxBodySize = 1500 }, slices.Repeat([]string{strings.Repeat("x", 1000)}, 2)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, link := mustPublisherThroughLink(t, embednsq.NSQDConfig{Tune: tt.tune})
			if err := p.Publish("t", messagesOf(tt.bodies...)...); !nsqpubsub.Unpublishable(err) {
				t.Errorf("got %v, want an unpublishable message", err)
			}
			if err := p.Publish("t", messagesOf("c", "d")...); err != nil {
				t.Error(err)
			}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{link.Addr}}, MaxInFlight: 1})
			fixture.Eventually(t, 10*time.Second, "the next messages arrive", func() bool { return c.has("d") })
			if c.len() != 2 {
				t.Errorf("%d messages arrived, want the last two", c.len())
			}
		})
	}
}

// nsqd closes the connection while the rest of the command is on its way. The error response can be lost then.
func TestLargeCommandRejectedByNSQD(t *testing.T) {
	p, _ := mustPublisherThroughLink(t, embednsq.NSQDConfig{Tune: smallMessages})
	bodies := append([]string{strings.Repeat("x", 2049)}, slices.Repeat([]string{strings.Repeat("y", 1000)}, 900)...)
	for range 10 {
		if err := p.Publish("t", messagesOf(bodies...)...); err == nil || errors.Is(err, nsqpubsub.ErrTimeout) {
			t.Errorf("got %v, want a rejection or a lost connection", err)
		}
		if err := p.Publish("t", messagesOf("a", "b")...); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingIsPublishedIfTheMarshalerFails(t *testing.T) {
	link := fixture.NewLink(t, fixture.NSQD(t, embednsq.NSQDConfig{}).TCPAddr())
	p := mustPublisher(t, nsqpubsub.PublisherConfig{
		ProducerConfig: nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{link.Addr}}}, Marshaler: picky{},
	})
	if err := p.Publish("t", messagesOf("a", "bad")...); !errors.Is(err, errPicky) {
		t.Errorf("got %v, want the Marshaler's error", err)
	}
	if sent := link.Sent(); sent != "" {
		t.Errorf("sent %q, want nothing", sent)
	}
}

var errPicky = errors.New("bad payload")

// picky is a Marshaler that fails for the payload "bad".
type picky struct{}

func (picky) Marshal(_ string, msg *message.Message) ([]byte, error) {
	if string(msg.Payload) == "bad" {
		return nil, errPicky
	}
	return msg.Payload, nil
}
