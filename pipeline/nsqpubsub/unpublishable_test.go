package nsqpubsub_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func smallMessages(o *nsqd.Options) { o.MaxMsgSize = 2048 }

func TestMessageRejectedByNSQD(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: smallMessages})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	for range 3 {
		err := p.Publish(t.Context(), "t", make([]byte, 2049))
		if !errors.Is(err, nsqpubsub.ErrUnpublishable) || !nsqpubsub.Unpublishable(err) || !strings.Contains(err.Error(), "2049 > 2048") {
			t.Errorf("got %v, want ErrUnpublishable with both sizes", err)
		}
		if node := p.Nodes()[0]; node.Err != nil || node.Penalized {
			t.Errorf("got %+v: the rejection counts as a failure of nsqd", node)
		}
		mustPublish(t, p, strings.Repeat("x", 2048))
	}
	if err := p.PublishTo(t.Context(), n.TCPAddr(), "t", make([]byte, 2049)); !nsqpubsub.Unpublishable(err) {
		t.Errorf("PublishTo: got %v, want ErrUnpublishable", err)
	}
}

// nsqd closes the connection after it has rejected a message, while other messages wait for their responses. The other messages must be
// published nevertheless.
func TestRejectedMessageDoesNotAffectOthers(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: smallMessages})
	cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}
	c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	const good, bad = 500, 20
	var publishing sync.WaitGroup
	for i := range good {
		publishing.Go(func() {
			if err := p.Publish(t.Context(), "t", fmt.Append(nil, i)); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		})
		if i%(good/bad) == 0 {
			publishing.Go(func() {
				if err := p.Publish(t.Context(), "t", make([]byte, 4000)); !nsqpubsub.Unpublishable(err) {
					t.Errorf("got %v, want ErrUnpublishable", err)
				}
			})
		}
	}
	publishing.Wait()
	for i := range good {
		fixture.Eventually(t, 5*time.Second, "the message arrives", func() bool { return c.has(fmt.Sprint(i)) })
	}
}

func TestMessageRejectedByOneNSQDIsSentToAnother(t *testing.T) {
	small, large := fixture.NSQD(t, embednsq.NSQDConfig{Tune: smallMessages}), fixture.NSQD(t, embednsq.NSQDConfig{})
	for name, ordered := range map[string]bool{"random": false, "ordered": true} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				p := mustProducer(t, nsqpubsub.ProducerConfig{Ordered: ordered, Cluster: nsqpubsub.Cluster{NSQD: []string{small.TCPAddr(), large.TCPAddr()}}})
				mustPublish(t, p, strings.Repeat("x", 3000))
			}
		})
	}
	t.Run("rejected by one nsqd while the other is down", func(t *testing.T) {
		p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{small.TCPAddr(), fixture.FreeAddr(t)}}})
		if err := p.Publish(t.Context(), "t", make([]byte, 3000)); !nsqpubsub.Unpublishable(err) {
			t.Errorf("got %v, want ErrUnpublishable", err)
		}
	})
}

func TestResponsesThatMeanUnpublishable(t *testing.T) {
	for response, want := range map[string]bool{
		"E_BAD_MESSAGE PUB message too big 3000 > 2048":    true,
		"E_BAD_MESSAGE PUB invalid message body size 0":    true,
		"E_BAD_TOPIC PUB topic name \"t\" is not valid":    true,
		"E_BAD_MESSAGE PUB failed to read message body":    false,
		"E_BAD_BODY MPUB body too big 3000 > 2048":         true,
		"E_BAD_BODY MPUB failed to read body size":         false,
		"E_PUB_FAILED PUB failed exiting":                  false,
		"E_UNAUTHORIZED AUTH failed for PUB on \"t\" \"\"": false,
		"E_INVALID invalid command PUB":                    false,
	} {
		t.Run(response, func(t *testing.T) {
			t.Parallel()
			f := mustRejectingNSQD(t, frame(responseFrame, `{"max_rdy_count":2500}`), frame(errorFrame, response))
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{f.addr}}})
			err := p.Publish(t.Context(), "t", []byte("x"))
			if err == nil || nsqpubsub.Unpublishable(err) != want || !strings.Contains(err.Error(), response) {
				t.Errorf("got %v: unpublishable is %v, want %v, with the response", err, nsqpubsub.Unpublishable(err), want)
			}
			if node := p.Nodes()[0]; node.Penalized == want {
				t.Errorf("nsqd in the penalty box: %v, want %v", node.Penalized, !want)
			}
		})
	}
}

func TestProducerRejectsBeforeSending(t *testing.T) {
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{fixture.FreeAddr(t)}}})
	for name, tt := range map[string]struct {
		topic string
		body  []byte
	}{
		"empty body": {"t", nil}, "body above MaxMessageSize": {"t", make([]byte, 1<<20+1)}, "invalid topic": {"a b", []byte("x")},
	} {
		if err := p.Publish(t.Context(), tt.topic, tt.body); !nsqpubsub.Unpublishable(err) {
			t.Errorf("%s: got %v, want an unpublishable message", name, err)
		}
	}
	if err := p.Publish(t.Context(), "t", []byte("x")); err == nil || nsqpubsub.Unpublishable(err) {
		t.Errorf("no nsqd: got %v, want a temporary failure", err)
	}
}
