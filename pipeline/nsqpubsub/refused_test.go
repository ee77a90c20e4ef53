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

func TestAMessageThatNSQDRefuses(t *testing.T) {
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: smallMessages})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}})
	for range 3 {
		err := p.Publish(t.Context(), "t", make([]byte, 2049))
		if !errors.Is(err, nsqpubsub.ErrRefused) || !nsqpubsub.Refused(err) || !strings.Contains(err.Error(), "2049 > 2048") {
			t.Errorf("got %v, want a refusal that tells both sizes", err)
		}
		if node := p.Nodes()[0]; node.Err != nil || node.SetAside {
			t.Errorf("got %+v: the refusal counts as a failure of nsqd", node)
		}
		mustPublish(t, p, strings.Repeat("x", 2048))
	}
	if err := p.PublishTo(t.Context(), n.TCPAddr(), "t", make([]byte, 2049)); !nsqpubsub.Refused(err) {
		t.Errorf("PublishTo: got %v, want a refusal", err)
	}
}

// A refusal ends the connection, on which others wait for their answers.
func TestARefusalHarmsNoOtherMessage(t *testing.T) {
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
				if err := p.Publish(t.Context(), "t", make([]byte, 4000)); !nsqpubsub.Refused(err) {
					t.Errorf("got %v, want a refusal", err)
				}
			})
		}
	}
	publishing.Wait()
	for i := range good {
		fixture.Eventually(t, 5*time.Second, "the message arrives", func() bool { return c.has(fmt.Sprint(i)) })
	}
}

func TestWhatOneNSQDRefusesAnotherTakes(t *testing.T) {
	small, large := fixture.NSQD(t, embednsq.NSQDConfig{Tune: smallMessages}), fixture.NSQD(t, embednsq.NSQDConfig{})
	for name, ordered := range map[string]bool{"at random": false, "ordered": true} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				p := mustProducer(t, nsqpubsub.ProducerConfig{Ordered: ordered, Cluster: nsqpubsub.Cluster{NSQD: []string{small.TCPAddr(), large.TCPAddr()}}})
				mustPublish(t, p, strings.Repeat("x", 3000))
			}
		})
	}
	t.Run("but no message waits for one that is gone", func(t *testing.T) {
		p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{small.TCPAddr(), fixture.FreeAddr(t)}}})
		if err := p.Publish(t.Context(), "t", make([]byte, 3000)); !nsqpubsub.Refused(err) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

func TestWhichAnswersAreRefusals(t *testing.T) {
	for answer, want := range map[string]bool{
		"E_BAD_MESSAGE PUB message too big 3000 > 2048":    true,
		"E_BAD_MESSAGE PUB invalid message body size 0":    true,
		"E_BAD_TOPIC PUB topic name \"t\" is not valid":    true,
		"E_BAD_MESSAGE PUB failed to read message body":    false,
		"E_PUB_FAILED PUB failed exiting":                  false,
		"E_UNAUTHORIZED AUTH failed for PUB on \"t\" \"\"": false,
		"E_INVALID invalid command PUB":                    false,
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			f := mustRefusingNSQD(t, frame(responseFrame, `{"max_rdy_count":2500}`), frame(errorFrame, answer))
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{f.addr}}})
			err := p.Publish(t.Context(), "t", []byte("x"))
			if err == nil || nsqpubsub.Refused(err) != want || !strings.Contains(err.Error(), answer) {
				t.Errorf("got %v: refused is %v, want %v, with the answer", err, nsqpubsub.Refused(err), want)
			}
			if node := p.Nodes()[0]; node.SetAside == want {
				t.Errorf("nsqd in the penalty box: %v, want %v", node.SetAside, !want)
			}
		})
	}
}

func TestRefusalsBeforeNSQD(t *testing.T) {
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{fixture.FreeAddr(t)}}})
	for name, tt := range map[string]struct {
		topic string
		body  []byte
	}{
		"an empty body": {"t", nil}, "a body above MaxMessageSize": {"t", make([]byte, 1<<20+1)}, "a bad topic": {"a b", []byte("x")},
	} {
		if err := p.Publish(t.Context(), tt.topic, tt.body); !nsqpubsub.Refused(err) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
	if err := p.Publish(t.Context(), "t", []byte("x")); err == nil || nsqpubsub.Refused(err) {
		t.Errorf("no nsqd: got %v, want a failure that may pass", err)
	}
}
