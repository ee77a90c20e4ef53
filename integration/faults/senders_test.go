package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
	"rollcall/services/registry"
)

func TestPlainTextSendersAreListed(t *testing.T) {
	c := harness.NewCluster(t)
	n := c.StartNSQD()
	a := c.StartAPI("api-1", 1)

	producer, err := nsq.NewProducer(n.TCPAddr(), nsq.NewConfig())
	fixture.Must(t, err)
	producer.SetLoggerLevel(nsq.LogLevelMax)
	t.Cleanup(producer.Stop)
	fixture.Must(t, producer.Publish(events.HeartbeatTopic, []byte("10.1.2.3:8080")))
	harness.Publish(t, n.HTTPAddr(), events.HeartbeatTopic, "10.1.2.4:8080\n") // with a line end, as curl or to_nsq would send it

	fixture.Eventually(t, 2*time.Second, "both are listed", func() bool { return len(harness.Members(t, a)) == 2 })
	for i, want := range []string{"10.1.2.3:8080", "10.1.2.4:8080"} {
		s := harness.Members(t, a)[i]
		if s.Service != events.DefaultService || s.ID != want || s.Addr != want || s.State != events.StateAlive {
			t.Errorf("server %d is %+v, want %s alive", i, s, want)
		}
	}
}

func TestStaleHeartbeatsOfTopicWithoutChannelDoNotRegister(t *testing.T) {
	const stale, ttl = 12_000, 1000 // ttl is in milliseconds; it is short, so that heartbeats soon are stale
	c := harness.NewCluster(t)
	n := c.StartNSQD()
	harness.PublishAll(t, n.HTTPAddr(), events.HeartbeatTopic, stale, func(i int) []byte {
		return fmt.Appendf(nil, `{"v":1,"service":"data","addr":"10.0.%d.%d:80","interval_ms":500,"ttl_ms":%d}`, i>>8, i&255, ttl)
	})
	published := time.Now()
	fixture.Eventually(t, 3*time.Second, "they are older than their TTL", func() bool { return time.Since(published) > ttl*time.Millisecond })

	a := c.StartAPI("api-1", 1)
	seen := c.Watch()
	// An ephemeral channel keeps 10 000 messages in memory, and nsqd may drop the others. So at least 10 000 messages arrive.
	fixture.Eventually(t, 20*time.Second, "the stale heartbeats have arrived", func() bool {
		st, err := c.Client(a).Status(t.Context())
		return err == nil && st.NSQD[0].Received >= 10_000
	})
	fixture.Eventually(t, 5*time.Second, "the live server is listed", func() bool {
		harness.Publish(t, n.HTTPAddr(), events.HeartbeatTopic, "10.9.9.9:80")
		return len(harness.Members(t, a)) == 1
	})
	if e := <-seen; e.Details().Server.Addr != "10.9.9.9:80" || e.Details().Revision != 1 {
		t.Errorf("the first event is %s of %s, want registered of the live server", e.Type(), e.Details().Server.Addr)
	}
}

func TestMalformedMessagesDoNotLoseHeartbeats(t *testing.T) {
	const (
		servers = 20
		bad     = 100 // malformed messages a second
	)
	seconds := int(harness.ShortOrLong(3*time.Second, 2*time.Minute).Seconds())
	c := harness.NewCluster(t)
	n := c.StartNSQD()
	a := c.StartAPI("api-1", 1)
	garbage := []string{`{"v":1`, "null", "[]", `{"v":1,"service":"../x","addr":"10.0.0.1:80"}`, "\x1f\x8b\x08\x00", "http://10.0.0.1"}

	tick := time.NewTicker(time.Second / bad)
	defer tick.Stop()
	good := 0
	for i := range seconds * bad {
		<-tick.C
		harness.Publish(t, n.HTTPAddr(), events.HeartbeatTopic, garbage[i%len(garbage)])
		if i%5 == 0 {
			harness.Publish(t, n.HTTPAddr(), events.HeartbeatTopic, string(harness.Heartbeat(good%servers, 1+good/servers, 10_000)))
			good++
		}
	}
	fixture.Eventually(t, 2*time.Second, fmt.Sprintf("all of %d valid heartbeats are accepted", good), func() bool {
		st, err := a.Registry().Stats(t.Context())
		fixture.Must(t, err)
		return st.Heartbeats["taken"] == uint64(good)
	})
	if got := len(harness.Members(t, a)); got != servers {
		t.Errorf("%d servers are listed, want %d", got, servers)
	}
}

func TestAPIServersListTheSameServers(t *testing.T) {
	const servers = 50
	c := harness.NewCluster(t)
	n1, n2 := c.StartNSQD(), c.StartNSQD()
	a1, a2 := c.StartAPI("api-1", 2), c.StartAPI("api-2", 2)
	for i := range servers {
		via := n1
		if i%2 == 1 {
			via = n2
		}
		harness.Publish(t, via.HTTPAddr(), events.HeartbeatTopic, string(harness.Heartbeat(i, 1, 10_000)))
	}
	for _, a := range []interface{ Registry() *registry.Registry }{a1, a2} {
		fixture.Eventually(t, 2*time.Second, "all servers are listed", func() bool {
			s, err := a.Registry().Members(t.Context())
			fixture.Must(t, err)
			return s.Counts().Alive == servers
		})
	}
	one, two := harness.Members(t, a1), harness.Members(t, a2)
	for i := range one {
		if one[i].Key() != two[i].Key() || one[i].Addr != two[i].Addr {
			t.Errorf("server %d is %s in one list and %s in the other", i, one[i].Key(), two[i].Key())
		}
	}
}
