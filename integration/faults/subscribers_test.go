package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/services/embednsq"
)

// A subscriber that uses go-nsq with its defaults queries nsqlookupd once a minute. It must find every nsqd before the first event, so that
// it receives the first event, and the first event after another nsqd has taken over.
func TestSubscriberOfAnotherMakeMissesNothing(t *testing.T) {
	c := harness.NewCluster(t)
	nsqds := []*embednsq.NSQD{c.StartNSQD(), c.StartNSQD()}
	c.StartAPI("api-1", len(nsqds))
	lookupd := "http://" + c.NSQ.Lookupd[0]
	for _, topic := range []string{events.EventTopic, events.HeartbeatTopic + events.InvalidSuffix} {
		fixture.Eventually(t, 5*time.Second, "every nsqd has the topic "+topic, func() bool {
			return strings.Count(get(t, lookupd+"/lookup?topic="+topic), `"tcp_port"`) == len(nsqds)
		})
	}
	var mu sync.Mutex
	ids := make(map[string]bool)
	consumer, err := nsq.NewConsumer(events.EventTopic, "test#ephemeral", nsq.NewConfig())
	fixture.Must(t, err)
	consumer.SetLoggerLevel(nsq.LogLevelMax)
	consumer.ChangeMaxInFlight(10)
	consumer.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		e, err := events.Decode(m.Body)
		mu.Lock()
		defer mu.Unlock()
		ids[e.Details().Server.ID] = true
		return err
	}))
	fixture.Must(t, consumer.ConnectToNSQLookupd(c.NSQ.Lookupd[0]))
	t.Cleanup(func() {
		consumer.Stop()
		<-consumer.StopChan
	})
	received := func(id string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return ids[id]
		}
	}
	// go-nsq's first connection may get its whole max-in-flight. Then its next one gets none of it until go-nsq tries again after 5 s.
	fixture.Eventually(t, 10*time.Second, "the subscriber is ready on every nsqd", func() bool {
		return !slices.ContainsFunc(nsqds, func(n *embednsq.NSQD) bool { return ready(t, n) == 0 })
	})

	harness.Publish(t, nsqds[0].HTTPAddr(), events.HeartbeatTopic, "10.0.0.1:80")
	took := fixture.Eventually(t, 2*time.Second, "the first event arrives", received("10.0.0.1:80"))
	t.Logf("the first event arrived after %v", took)

	used, other := nsqds[0], nsqds[1]
	if published(t, used) == 0 {
		used, other = other, used
	}
	if published(t, used) == 0 || published(t, other) != 0 {
		t.Fatalf("%d and %d events: want events on one nsqd", published(t, used), published(t, other))
	}
	fixture.Must(t, used.Stop())
	harness.Publish(t, other.HTTPAddr(), events.HeartbeatTopic, "10.0.0.2:80")
	took = fixture.Eventually(t, 5*time.Second, "the first event after the failure arrives", received("10.0.0.2:80"))
	t.Logf("the first event after the failure arrived after %v", took)
}

// published returns the number of events that were published to nsqd.
func published(t *testing.T, n *embednsq.NSQD) int {
	t.Helper()
	return eventTopic(t, n).Messages
}

// ready returns how many events nsqd may send to the subscribers before they finish one.
func ready(t *testing.T, n *embednsq.NSQD) int {
	t.Helper()
	count := 0
	for _, channel := range eventTopic(t, n).Channels {
		for _, client := range channel.Clients {
			count += client.Ready
		}
	}
	return count
}

// topicStats is a part of what nsqd says about a topic at /stats.
type topicStats struct {
	Messages int `json:"message_count"`
	Channels []struct {
		Clients []struct {
			Ready int `json:"ready_count"`
		}
	}
}

// eventTopic returns what nsqd says about the topic of lifecycle events. It is zero if nsqd does not have the topic.
func eventTopic(t *testing.T, n *embednsq.NSQD) topicStats {
	t.Helper()
	var stats struct{ Topics []topicStats }
	text := get(t, fmt.Sprintf("http://%s/stats?format=json&topic=%s", n.HTTPAddr(), events.EventTopic))
	fixture.Must(t, json.Unmarshal([]byte(text), &stats))
	if len(stats.Topics) == 0 {
		return topicStats{}
	}
	return stats.Topics[0]
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	fixture.Must(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	fixture.Must(t, err)
	return string(body)
}
