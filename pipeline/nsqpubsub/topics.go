package nsqpubsub

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"

	"rollcall/pipeline/outage"
)

// maxTopicDelay is the maximum time between two attempts to create a topic.
const maxTopicDelay = time.Minute

// createTopics creates the topics of ConsumerConfig.CreateTopics at the nsqd. It tries again until every topic exists or ctx ends.
func (n *consumerConn) createTopics(ctx context.Context) {
	var failing outage.Log
	delay := reconnectDelay
	for _, topic := range n.c.cfg.CreateTopics {
		for {
			err := createTopic(ctx, n.addr, n.c.conf, topic)
			if err == nil {
				break
			}
			if ctx.Err() == nil && failing.Failed(time.Now(), err) {
				n.log().Error("topic cannot be created; retrying", err, watermill.LogFields{"create": topic})
			}
			if !pause(ctx, jitter(delay)) {
				return
			}
			delay = min(2*delay, maxTopicDelay)
		}
	}
}

// createTopic creates a topic at one nsqd, unless it exists. It publishes nothing and creates no channel. To do so, it sends the command
// MPUB with an empty body: nsqd creates the topic before it reads the body, then rejects the body, logs that, and closes the connection.
//
// The alternatives do harm. A request to create the topic needs the HTTP address of nsqd, which Cluster.NSQD does not state. A subscription on
// an ephemeral channel takes the messages that wait in a topic without channels, and loses them when it ends; and it requires the permission
// to subscribe to the topic.
func createTopic(ctx context.Context, addr string, conf *nsq.Config, topic string) error {
	command := &nsq.Command{Name: []byte("MPUB"), Params: [][]byte{[]byte(topic)}, Body: []byte{}}
	conn, err := newDialer(addr, conf, watermill.NopLogger{}).connect(ctx, command)
	if err == nil {
		conn.close()
		return errors.New("nsqpubsub: nsqd accepted an empty MPUB")
	}
	if strings.Contains(err.Error(), "E_BAD_BODY MPUB invalid body size") {
		return nil
	}
	return err
}
