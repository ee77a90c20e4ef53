package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func TestWatchPrintsEvents(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	registered := mustEvent(t, events.TypeRegistered, "blue", 1)
	left := mustEvent(t, events.TypeLeft, "green", 2)
	other := mustEvent(t, events.TypeExpired, "blue", 3)
	for name, row := range map[string]struct {
		args string
		want string
	}{
		"text": {"", "12:03:25.123  registered  data/blue  10.0.0.7:8080  (heartbeat, revision 1 of api-1)\n" +
			"12:03:25.123  left        web/green  10.0.0.7:8080  (leave, revision 2 of api-1)\n" +
			"12:03:25.123  expired     data/blue  10.0.0.7:8080  (ttl, revision 3 of api-1)\n"},
		"JSON":        {"-o json", mustEncode(t, registered) + mustEncode(t, left) + mustEncode(t, other)},
		"one service": {"--service data -o json", mustEncode(t, registered) + mustEncode(t, other)},
	} {
		t.Run(name, func(t *testing.T) {
			topic := "events-" + strings.ReplaceAll(name, " ", "-")
			args := append(strings.Fields(row.args), "watch", "--all", "--nsq.lookupd=", "--nsq.nsqd", nsqd.TCPAddr(), "--nsq.events", topic)
			watch := start(t, args...)
			mustPublish(t, nsqd, topic, registered, left, other)
			fixture.Eventually(t, 10*time.Second, "all lines", func() bool { return len(watch.stdout.String()) >= len(row.want) })
			if got := watch.stop(); got != (result{0, row.want, ""}) {
				t.Errorf("got %d, %q and\n%swant\n%s", got.code, got.stderr, got.stdout, row.want)
			}
		})
	}
}

func TestWatchReportsGaps(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	watch := start(t, "watch", "--all", "--nsq.lookupd=", "--nsq.nsqd", nsqd.TCPAddr())
	mustPublish(t, nsqd, events.EventTopic, mustEvent(t, events.TypeRegistered, "a", 7), mustEvent(t, events.TypeRegistered, "b", 10))
	watch.stderr.await(t, "rollcall: revisions 8 to 9 of api-1 are missing\n")
	later := mustEvent(t, events.TypeRegistered, "c", 1)
	restarted := later.(events.ServerRegistered)
	restarted.Time = restarted.Time.Add(time.Minute)
	mustPublish(t, nsqd, events.EventTopic, restarted)
	watch.stderr.await(t, "rollcall: api-1 has restarted: earlier events may be missing\n")
	if got := watch.stop(); got.code != 0 || strings.Count(got.stdout, "\n") != 3 || strings.Count(got.stderr, "\n") != 2 {
		t.Errorf("got %+v, want 0, three lines and two on stderr", got)
	}
}

func TestWatchWithoutBrokerWarnsAndStops(t *testing.T) {
	watch := start(t, "watch", "--nsq.lookupd", fixture.FreeAddr(t), "--nsq.nsqd", fixture.FreeAddr(t))
	watch.stderr.await(t, "rollcall: not connected to any nsqd yet")
	begun := time.Now()
	got := watch.stop()
	if took := time.Since(begun); got.code != 0 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 || took > 5*time.Second {
		t.Errorf("got %+v after %v, want 0 and one line", got, took)
	}
}

// A topic without a channel keeps its events for the first channel.
func TestWatchSkipsEarlierEvents(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	mustPublish(t, nsqd, events.EventTopic, mustEvent(t, events.TypeRegistered, "old", 1), mustEvent(t, events.TypeRegistered, "older", 5))
	watch := start(t, "watch", "--nsq.lookupd=", "--nsq.nsqd", nsqd.TCPAddr())
	watch.stderr.await(t, "; use --all to print them\n")
	fresh := mustEvent(t, events.TypeRegistered, "new", 6).(events.ServerRegistered)
	fresh.Time = time.Now()
	mustPublish(t, nsqd, events.EventTopic, fresh)
	watch.stdout.await(t, "data/new")
	got := watch.stop()
	if got.code != 0 || strings.Count(got.stdout, "\n") != 1 || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("got %+v, want one event and one line on stderr", got)
	}
}

// Connections close before the command ends. The command must not warn about that.
func TestWatchDoesNotWarnWhenItStops(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	for _, after := range []time.Duration{connectGrace - 20*time.Millisecond, connectGrace - time.Millisecond, connectGrace + 20*time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		var stdout, stderr written
		code := run(ctx, []string{"watch", "--nsq.lookupd=", "--nsq.nsqd", nsqd.TCPAddr()}, &stdout, &stderr)
		if code != 0 || stdout.String() != "" || stderr.String() != "" {
			t.Errorf("ended after %v: got %d, %q and %q, want 0 and nothing", after, code, stdout.String(), stderr.String())
		}
	}
}

func mustEvent(t testing.TB, typ events.Type, id string, revision uint64) events.Event {
	t.Helper()
	service, cause := "data", events.CauseHeartbeat
	switch typ {
	case events.TypeLeft:
		service, cause = "web", events.CauseLeave
	case events.TypeExpired:
		cause = events.CauseTTL
	}
	at := time.Date(2026, 11, 22, 12, 3, 25, 123e6, time.UTC)
	e, ok := events.New(typ, events.Transition{
		ID: fmt.Sprint(typ, id, revision), Time: at, Cause: cause, Revision: revision, LastSeen: at, Observer: "api-1",
		Server: events.Server{Service: service, ID: id, Addr: "10.0.0.7:8080", State: events.StateAlive, Tags: []string{}},
	})
	if !ok {
		t.Fatalf("no type %s", typ)
	}
	return e
}

// mustEncode encodes an event in one line.
func mustEncode(t testing.TB, e events.Event) string {
	t.Helper()
	b, err := events.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}

func mustPublish(t testing.TB, nsqd *embednsq.NSQD, topic string, all ...events.Event) {
	t.Helper()
	p, err := nsqpubsub.NewProducer(nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{nsqd.TCPAddr()}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if err := p.Publish(t.Context(), topic, []byte(strings.TrimSuffix(mustEncode(t, e), "\n"))); err != nil {
			t.Error(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
