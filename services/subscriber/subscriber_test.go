package subscriber_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
	"rollcall/services/subscriber"
)

func TestEventTypes(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	r := mustRun(t, subscriber.Config{NSQ: cluster})
	p := mustProducer(t, cluster)
	for i, typ := range []events.Type{
		events.TypeRegistered, events.TypeUpdated, events.TypeSuspected, events.TypeRecovered,
		events.TypeExpired, events.TypeLeft, events.TypeReplaced,
	} {
		want := mustEvent(t, typ, "api-1", uint64(i+1))
		mustPublish(t, p, mustEncode(t, want))
		if got := r.next(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
	}
}

func TestEventOfTwoObserversIsHandledOnce(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	gaps := make(chan subscriber.Gap, 10)
	r := mustRun(t, subscriber.Config{
		NSQ: cluster, OnGap: func(g subscriber.Gap) { gaps <- g }, Grace: 50 * time.Millisecond,
	})
	p := mustProducer(t, cluster)
	for revision := range uint64(5) {
		for _, observer := range []string{"api-1", "api-2", "api-1"} {
			mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, observer, revision+1)))
		}
	}
	r.wantRevisions(1, 2, 3, 4, 5)
	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-2", 7)))
	r.wantRevisions(7)
	// The events 1 to 5 of api-2 were duplicates, but their revisions count: the subscriber notices that revision 6 of api-2
	// is missing.
	if got, want := receive(t, gaps), (subscriber.Gap{Observer: "api-2", From: 6, To: 6}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestInvalidMessageIsSkippedOnce(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	type skip struct {
		err  error
		body []byte
	}
	skipped := make(chan skip, 100)
	attempts := 0 // needs no lock: one goroutine calls the handler
	r := mustRunWith(t, subscriber.Config{
		NSQ:        cluster,
		OnSkipped:  func(err error, body []byte) { skipped <- skip{err, body} },
		RetryDelay: time.Millisecond,
	}, func(context.Context, events.Event) error {
		if attempts++; attempts < 5 {
			return errors.New("not now")
		}
		return nil
	})
	p := mustProducer(t, cluster)

	good := mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", 1))
	bad := []skip{
		{events.ErrInvalid, []byte("10.0.0.7:8080")},
		{events.ErrInvalid, good[:len(good)/2]},
		{events.ErrInvalid, bytes.Replace(good, []byte(`"specversion":"1.0"`), []byte(`"specversion":"9"`), 1)},
		{events.ErrUnknownType, bytes.Replace(good, []byte("server.updated"), []byte("server.praised"), 1)},
	}
	for _, b := range bad {
		mustPublish(t, p, b.body)
	}
	mustPublish(t, p, good)
	r.wantRevisions(1) // by now NSQ would have delivered the skipped messages again
	for _, want := range bad {
		if got := receive(t, skipped); !errors.Is(got.err, want.err) || !bytes.Equal(got.body, want.body) {
			t.Errorf("skipped %q with %v, want %q with %v", got.body, got.err, want.body, want.err)
		}
	}
	if len(skipped) > 0 {
		t.Errorf("%q was skipped again", (<-skipped).body)
	}
}

func TestFailedEventIsDeliveredAgain(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	const delay = 150 * time.Millisecond
	attempts := make(map[uint64][]time.Time) // needs no lock: one goroutine calls the handler
	r := mustRunWith(t, subscriber.Config{NSQ: cluster, RetryDelay: delay},
		func(_ context.Context, e events.Event) error {
			revision := e.Details().Revision
			attempts[revision] = append(attempts[revision], time.Now())
			if revision == 1 && len(attempts[revision]) < 3 {
				return errors.New("not now")
			}
			return nil
		})
	p := mustProducer(t, cluster)
	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", 1)))
	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", 2)))
	r.wantRevisions(2, 1)

	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-2", 1)))
	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", 3)))
	r.wantRevisions(3)
	r.stop()
	first := attempts[1]
	if len(first) != 3 || len(attempts[2]) != 1 {
		t.Fatalf("handler called at %v, want 3 times for the first and once for the second", attempts)
	}
	for i := range first[1:] {
		if pause := first[i+1].Sub(first[i]); pause < delay {
			t.Errorf("delivered again after %v, want %v or more", pause, delay)
		}
	}
}

func TestEachChannelGetsEveryEvent(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	one, other := mustRun(t, subscriber.Config{NSQ: cluster}), mustRun(t, subscriber.Config{NSQ: cluster})
	p := mustProducer(t, cluster)
	for revision := range uint64(5) {
		mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", revision+1)))
	}
	one.wantRevisions(1, 2, 3, 4, 5)
	other.wantRevisions(1, 2, 3, 4, 5)
}

func TestSharedChannelDeliversEachEventOnce(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	// The handler of each subscriber waits until the handler of the other subscriber has an event too, so both must take
	// part.
	busy := make(chan struct{})
	wait := func(ctx context.Context, _ events.Event) error {
		select {
		case busy <- struct{}{}:
		case <-busy:
		case <-ctx.Done():
		}
		return nil
	}
	cfg := subscriber.Config{NSQ: cluster, Channel: "billing"}
	one, other := mustRunWith(t, cfg, wait), mustRunWith(t, cfg, wait)
	p := mustProducer(t, cluster)
	const n = 20
	for revision := range uint64(n) {
		mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", revision+1)))
	}
	var got, want []uint64
	for i := range uint64(n / 2) {
		got = append(got, one.next().Details().Revision, other.next().Details().Revision)
		want = append(want, 2*i+1, 2*i+2)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("handled %v, want %v", got, want)
	}
}

func TestNamedChannelStoresUnhandledEvents(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	cfg := subscriber.Config{NSQ: cluster, Channel: "billing"}
	started := make(chan struct{}, 1)
	first := mustRunWith(t, cfg, func(ctx context.Context, _ events.Event) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	p := mustProducer(t, cluster)
	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", 1)))
	receive(t, started)
	first.stop()
	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", 2)))

	second := mustRun(t, cfg)
	got := []uint64{second.next().Details().Revision, second.next().Details().Revision}
	slices.Sort(got)
	if !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("handled %v, want 1 and 2", got)
	}
}

func TestEventsOfAllNSQDAndAMissingRevision(t *testing.T) {
	lookupd := fixture.Lookupd(t)
	for range 2 {
		mustNSQD(t, embednsq.NSQDConfig{Lookupd: []string{lookupd.TCPAddr()}})
	}
	cluster := nsqpubsub.Cluster{
		Lookupd: []string{lookupd.HTTPAddr()}, LookupdPollInterval: 50 * time.Millisecond,
	}
	gaps := make(chan subscriber.Gap, 10)
	r := mustRun(t, subscriber.Config{
		NSQ: cluster, Channel: "only-me", Exclusive: true,
		OnGap: func(g subscriber.Gap) { gaps <- g }, Grace: 500 * time.Millisecond,
	})
	r.awaitConnected(2)
	p := mustProducer(t, cluster)
	const n = 50
	for revision := range uint64(n) {
		if revision != 20 {
			mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", revision)))
		}
	}
	for range n - 1 {
		r.next()
	}
	if got, want := receive(t, gaps), (subscriber.Gap{Observer: "api-1", From: 20, To: 20}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, node := range r.sub.Nodes() {
		if node.Received == 0 {
			t.Errorf("no event arrived through %s", node.Address)
		}
	}
}

func TestRestartIsReportedBeforeItsEvent(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	var order []string // needs no lock: one goroutine calls both OnGap and the handler
	r := mustRunWith(t, subscriber.Config{
		NSQ: cluster,
		OnGap: func(g subscriber.Gap) {
			if g.Restarted {
				order = append(order, "restart of "+g.Observer)
			}
		},
	}, func(_ context.Context, e events.Event) error {
		order = append(order, e.Details().Server.ID)
		return nil
	})
	p := mustProducer(t, cluster)
	mustPublish(t, p, mustEncode(t, mustEvent(t, events.TypeUpdated, "api-1", 118)))
	again := mustEvent(t, events.TypeUpdated, "api-1", 119).Details()
	again.Revision = 1
	mustPublish(t, p, mustEncode(t, events.ServerUpdated{Transition: again}))
	r.wantRevisions(118, 1)
	r.stop()
	if want := []string{"s118", "restart of api-1", "s119"}; !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
}

func TestRunFailsTwiceOrWithoutHandler(t *testing.T) {
	cluster := nsqpubsub.Cluster{NSQD: []string{mustNSQD(t, embednsq.NSQDConfig{}).TCPAddr()}}
	r := mustRun(t, subscriber.Config{NSQ: cluster})
	if err := r.sub.Run(t.Context(), func(context.Context, events.Event) error { return nil }); err == nil {
		t.Error("the second Run returned no error")
	}
	fresh, err := subscriber.New(subscriber.Config{NSQ: cluster})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := fresh.Run(ctx, nil); err == nil {
		t.Error("Run without a handler returned no error")
	}
}

func TestRunWithoutBrokerStopsWithItsContext(t *testing.T) {
	sub, err := subscriber.New(subscriber.Config{NSQ: nsqpubsub.Cluster{NSQD: []string{"127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sub.Run(ctx, func(context.Context, events.Event) error { return nil }) }()
	fixture.Eventually(t, patience, "the error is reported", func() bool { nodes := sub.Nodes(); return len(nodes) == 1 && nodes[0].Err != nil })
	cancel()
	if err := receive(t, ended); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	nsqd := nsqpubsub.Cluster{NSQD: []string{"127.0.0.1:4150"}}
	onGap := func(subscriber.Gap) {}
	for _, tc := range []struct {
		rule  string
		cfg   subscriber.Config
		names []string // names of the invalid fields; empty: the configuration is valid
	}{
		{"a cluster only", subscriber.Config{NSQ: nsqd}, nil},
		{"no cluster", subscriber.Config{}, []string{"NSQD and Lookupd"}},
		{"bad address", subscriber.Config{NSQ: nsqpubsub.Cluster{NSQD: []string{"nsqd"}}}, []string{"NSQD"}},
		{"bad topic", subscriber.Config{NSQ: nsqd, Topic: "a b"}, []string{"Topic"}},
		{"channel of 64 characters", subscriber.Config{NSQ: nsqd, Channel: strings.Repeat("c", 54) + "#ephemeral"}, nil},
		{"channel of 65 characters", subscriber.Config{NSQ: nsqd, Channel: strings.Repeat("c", 55) + "#ephemeral"}, []string{"Channel"}},
		{"gaps of the default channel", subscriber.Config{NSQ: nsqd, OnGap: onGap}, nil},
		{"gaps of a shared channel", subscriber.Config{NSQ: nsqd, Channel: "c", OnGap: onGap}, []string{"OnGap", `"c"`, "Exclusive"}},
		{"gaps of an exclusive channel", subscriber.Config{NSQ: nsqd, Channel: "c", OnGap: onGap, Exclusive: true}, nil},
		{
			"several invalid fields",
			subscriber.Config{NSQ: nsqd, Grace: -1, Memory: -1, RetryDelay: -1},
			[]string{"Grace", "Memory", "RetryDelay"},
		},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := subscriber.New(tc.cfg)
			if valid := tc.cfg.Validate(); (valid == nil) != (err == nil) {
				t.Errorf("New returned %v, Validate %v", err, valid)
			}
			if (err == nil) != (tc.names == nil) {
				t.Fatalf("got %v, want an error that names %q", err, tc.names)
			}
			for _, name := range tc.names {
				if !strings.Contains(err.Error(), name) {
					t.Errorf("%v does not name %s", err, name)
				}
			}
		})
	}
}
