package app_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/embednsq"
)

// large returns a heartbeat of less than 2048 bytes whose event has more than 2048 bytes.
func large(port int) string {
	var meta []string
	for i := range 7 {
		meta = append(meta, fmt.Sprintf(`"key%d":%q`, i, strings.Repeat("x", 200)))
	}
	return fmt.Sprintf(`{"v":1,"service":"big","addr":"10.0.0.7:%d","interval_ms":10000,"ttl_ms":60000,"meta":{%s}}`, port, strings.Join(meta, ","))
}

func TestUnpublishableEventBlocksNoOther(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.MaxMsgSize = 2048 }})
	core, logs := observer.New(zap.ErrorLevel)
	a := mustRunLogging(t, quick(nsqd.TCPAddr()), zap.New(core))
	client := mustClient(t, a.Addr())
	fixture.Eventually(t, 5*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	heard, _ := mustListen(t, nsqd.TCPAddr(), events.EventTopic)

	mustPublish(t, nsqd.TCPAddr(), events.HeartbeatTopic, large(80))
	fixture.Eventually(t, 5*time.Second, "the large server", func() bool { return len(a.servers()) == 1 })
	mustPublish(t, nsqd.TCPAddr(), events.HeartbeatTopic, `{"v":1,"service":"web","addr":"10.0.0.7:81","interval_ms":10000,"ttl_ms":60000}`)
	fixture.Eventually(t, 5*time.Second, "the event of the small server", func() bool {
		return bytes.Contains(bytes.Join(heard.heard(), nil), []byte("10.0.0.7:81"))
	})
	status, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o := status.Outbox; o.Unpublishable != 1 || o.Length != 0 || o.Dropped != 0 || !o.FailingSince.IsZero() {
		t.Errorf("got %+v, want one unpublishable event and nothing else", o)
	}
	if text := mustGet(t, "http://"+a.Addr()+"/metrics"); !strings.Contains(text, "\n"+`rollcall_messages_unpublishable_total{messages="events"} 1`) {
		t.Error("/metrics does not count the unpublishable event")
	}
	dropped := logs.FilterMessageSnippet("message dropped").All()
	if len(dropped) != 1 || dropped[0].ContextMap()["id"] == "" || dropped[0].ContextMap()["bytes"].(int64) <= 2048 {
		t.Errorf("logged %+v, want one line with the id and the size", dropped)
	}
}

func TestUnpublishableEventAtStopLosesNoOther(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.MaxMsgSize = 2048 }})
	cfg := quick(nsqd.TCPAddr())
	cfg.Registry.TTL = time.Minute // the API server stays in the mode "warming": the end of warming would be another event
	a := mustRun(t, cfg)
	heard, _ := mustListen(t, nsqd.TCPAddr(), events.EventTopic)
	client := mustClient(t, a.Addr())
	fixture.Eventually(t, 5*time.Second, "ready", func() bool { return client.Ready(t.Context()) == nil })
	const servers, refused = 1000, 20
	for i := range servers {
		if i%(servers/refused) == 0 {
			h, err := events.DecodeHeartbeat([]byte(large(5000 + i)))
			if err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			if err := a.Registry().Observe(t.Context(), &h, events.Receipt{PublishedAt: now, ReceivedAt: now}); err != nil {
				t.Fatal(err)
			}
		}
		a.observe(events.KindHeartbeat, i, 1)
	}
	fixture.Eventually(t, 5*time.Second, "all came", func() bool { return a.stats().Revision == servers+refused })
	left := a.stats().Outbox
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if left == 0 {
		t.Error("no event waited at the stop: nothing was tested")
	}
	fixture.Eventually(t, 5*time.Second, "all events but the refused", func() bool { return len(heard.revisions(t)) >= servers })
}

func TestStatusShowsSinceWhenPublishingFails(t *testing.T) {
	for name, addr := range map[string]string{"refused": fixture.FreeAddr(t), "hung": fixture.Silent(t)} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now().Truncate(time.Second)
			a := mustRun(t, quick(addr))
			for i := range 3 {
				a.observe(events.KindHeartbeat, i, 1)
			}
			client := mustClient(t, a.Addr())
			fixture.Eventually(t, 5*time.Second, "the failure in the status", func() bool {
				status, err := client.Status(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				o := status.Outbox
				return !o.FailingSince.Before(begun) && o.FailingSince.Before(time.Now()) && strings.Contains(o.Error, addr) &&
					strings.Contains(status.Detail, "lifecycle events are not published, ") && strings.Contains(status.Detail, addr)
			})
		})
	}
}
