package canary_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/canary"
)

func TestCanaryEverySecondToEachNSQD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrokers("a", "b")
		s := mustRun(t, b)
		time.Sleep(10*time.Second + time.Millisecond)
		s.stop()
		for _, addr := range []string{"a", "b"} {
			calls := b.to(addr)
			if len(calls) != 11 {
				t.Fatalf("%d canaries to %s in ten seconds, want 11", len(calls), addr)
			}
			for i, c := range calls {
				want := s.started.Add(time.Duration(i) * time.Second)
				h, err := events.DecodeHeartbeat([]byte(c.body))
				if err != nil {
					t.Fatal(err)
				}
				sent, own := h.CanarySent("api-1", s.started)
				if c.topic != topic || !c.began.Equal(want) || !own || !sent.Equal(want) {
					t.Errorf("canary %d to %s: %+v, sent at %v; want it sent at %v", i, addr, c, sent, want)
				}
			}
		}
	})
}

func TestHungNSQDDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrokers("healthy", "hung")
		b.set("hung", true, hang)
		s := mustRun(t, b)
		time.Sleep(10*time.Second + time.Millisecond)
		if n := len(b.to("healthy")); n != 11 {
			t.Errorf("%d canaries to the healthy nsqd in ten seconds, want 11", n)
		}
		calls := b.to("hung")
		if len(calls) != 10 {
			t.Errorf("%d canaries to the hung nsqd were abandoned, want 10", len(calls))
		}
		for _, c := range calls {
			if c.err == errTwice || c.took != time.Second {
				t.Errorf("%v after %v, want the canary abandoned after a second, before the next one", c.err, c.took)
			}
		}
		b.set("hung", true, nil) // the canary in flight still hangs; later canaries are accepted
		time.Sleep(2 * time.Second)
		if calls := b.to("hung"); calls[len(calls)-1].err != nil {
			t.Error("no canary accepted after the nsqd recovered")
		}
		s.checkCount(t, 13, "rollcall_canaries_total", "nsqd", "healthy", "result", "sent")
		s.checkCount(t, 0, "rollcall_canaries_total", "nsqd", "healthy", "result", "failed")
		s.checkCount(t, 11, "rollcall_canaries_total", "nsqd", "hung", "result", "failed")
		s.checkCount(t, 2, "rollcall_canaries_total", "nsqd", "hung", "result", "sent")
	})
}

func TestRunEndsWithItsGoroutines(t *testing.T) {
	const last = 100 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		b := newBrokers("hung")
		b.set("hung", true, func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(last)
			return ctx.Err()
		})
		s := mustRun(t, b)
		time.Sleep(time.Millisecond)
		s.stop()
		if took := time.Since(s.started) - time.Millisecond; took != last || len(b.to("hung")) != 1 {
			t.Errorf("stop took %v and %d calls ended, want %v and 1", took, len(b.to("hung")), last)
		}
	})
}

func TestNSQDJoinsAndLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrokers("a")
		s := mustRun(t, b)
		time.Sleep(1400 * time.Millisecond) // not a multiple of 250 ms, so that the change does not coincide with a tick of Run
		b.join("b")
		b.change("other", func(n *nsqpubsub.ConsumerNode) { n.Topic, n.Address, n.Connected = "other", "other", true })
		time.Sleep(time.Second)
		if len(b.to("b")) != 1 {
			t.Errorf("%d canaries to the nsqd that joined a second ago, want 1", len(b.to("b")))
		}
		b.set("a", true, hang)
		time.Sleep(time.Second)
		b.leave("a")
		time.Sleep(time.Second)
		before := len(b.to("a"))
		time.Sleep(10 * time.Second)
		if n := len(b.to("a")); n != before {
			t.Errorf("%d canaries to the nsqd that left", n-before)
		}
		if n := len(b.to("other")); n != 0 {
			t.Errorf("%d canaries to an nsqd of another topic", n)
		}
		for _, name := range []string{"sent", "failed"} {
			if _, ok := s.count(t, "rollcall_canaries_total", "nsqd", "a", "result", name); ok {
				t.Errorf("the series %s of the nsqd that left still exists", name)
			}
		}
		if _, ok := s.count(t, "rollcall_reconnects_total", "nsqd", "a"); ok {
			t.Error("the reconnects of the nsqd that left still exist")
		}
		b.join("a")
		time.Sleep(time.Second)
		if n := len(b.to("a")); n != before { // the first canary after the nsqd came back hangs and has not ended yet
			t.Errorf("%d canaries were abandoned, want none yet", n-before)
		}
		time.Sleep(time.Second)
		if n := len(b.to("a")); n != before+1 {
			t.Errorf("%d canaries to the nsqd that came back, want 1", n-before)
		}
	})
}

func TestConnectionIsRebuiltEvery15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrokers("mute", "healthy")
		b.set("mute", false, nil)
		s := mustRun(t, b)
		time.Sleep(14*time.Second + 999*time.Millisecond)
		if got := b.reconnected(); len(got) != 0 {
			t.Fatalf("%v within 15s", got)
		}
		time.Sleep(47 * time.Second)
		got := b.reconnected()
		for i, r := range got {
			if want := (reconnect{"mute", time.Duration(i+1) * 15 * time.Second}); r != want {
				t.Errorf("got %v, want %v", r, want)
			}
		}
		if len(got) != 4 {
			t.Errorf("%d reconnects in a minute, want one every 15s", len(got))
		}
		s.checkCount(t, 4, "rollcall_reconnects_total", "nsqd", "mute")
		s.checkCount(t, 0, "rollcall_reconnects_total", "nsqd", "healthy")
		lines := s.logs.All()
		if len(lines) != 4 || lines[0].ContextMap()["nsqd"] != "mute" {
			t.Errorf("logged %v, want a line for each reconnect", lines)
		}
		b.set("mute", true, nil)
		time.Sleep(time.Minute)
		if got := b.reconnected(); len(got) != 4 {
			t.Errorf("%v although messages arrive", got)
		}
	})
}

func TestWhichConnectionsAreRebuilt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(b *brokers) // changes the nsqd at the start; nil: no change
		later  func(b *brokers) // changes the nsqd after ten seconds; nil: no change
		want   time.Duration    // from the start to the first reconnect; 0: no reconnect in 24 s
	}{
		{"a connection through which no message ever arrived", nil, nil, 15 * time.Second},
		{"not a connection through which other messages arrive", nil, func(b *brokers) {
			b.change("a", func(n *nsqpubsub.ConsumerNode) { n.LastMessage = time.Now() })
		}, 0},
		{"a connection whose last message is old", func(b *brokers) {
			b.change("a", func(n *nsqpubsub.ConsumerNode) {
				n.ConnectedAt, n.LastMessage = time.Now().Add(-time.Hour), time.Now().Add(-5*time.Second)
			})
		}, nil, 10 * time.Second},
		{"not a connection that is new, however old the last message is", nil, func(b *brokers) {
			b.change("a", func(n *nsqpubsub.ConsumerNode) {
				n.ConnectedAt, n.LastMessage = time.Now(), time.Now().Add(-time.Hour)
			})
		}, 0},
		{"not an nsqd that is not connected", nil, func(b *brokers) {
			b.change("a", func(n *nsqpubsub.ConsumerNode) { n.Connected, n.ConnectedAt = false, time.Time{} })
		}, 0},
		{"not an nsqd that hangs", func(b *brokers) { b.set("a", false, hang) }, nil, 0},
		{"not an nsqd that refuses canaries", func(b *brokers) { b.set("a", false, refuse) }, nil, 0},
		{"not an nsqd that hangs since 10 s", nil, func(b *brokers) { b.set("a", false, hang) }, 0},
		{"an nsqd that accepts canaries again", func(b *brokers) { b.set("a", false, hang) }, func(b *brokers) { b.set("a", false, nil) }, 15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBrokers("a")
				b.set("a", false, nil)
				if tt.change != nil {
					tt.change(b)
				}
				mustRun(t, b)
				time.Sleep(10*time.Second - time.Millisecond)
				if tt.later != nil {
					tt.later(b)
				}
				time.Sleep(14 * time.Second)
				got := b.reconnected()
				if tt.want == 0 && len(got) > 0 || tt.want > 0 && (len(got) == 0 || got[0].after != tt.want) {
					t.Errorf("got %v, want the first reconnect after %v", got, tt.want)
				}
			})
		})
	}
}

// An nsqd counts as working for two and a half intervals after it accepted a canary.
func TestAcceptedCanaryCountsForTwoAndAHalfIntervals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent time.Duration // from the start to the last accepted canary; Config.Silence ends after 15 s
		want   bool
	}{
		{"two seconds", 13 * time.Second, true},
		{"three seconds", 12 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBrokers("a")
				b.set("a", false, nil)
				mustRun(t, b)
				time.Sleep(tt.silent + time.Millisecond)
				b.set("a", false, refuse)
				time.Sleep(10 * time.Second)
				if got := b.reconnected(); len(got) > 0 != tt.want {
					t.Errorf("got %v, want a reconnect: %v", got, tt.want)
				}
			})
		})
	}
}

func TestConfigValidation(t *testing.T) {
	b := newBrokers()
	good := canary.Config{ID: "api-1", Started: time.Now(), Topic: topic, Publisher: b, Nodes: b.Nodes, Reconnect: func(string) {}}
	if _, err := canary.New(good); err != nil {
		t.Errorf("got %v, want no error with all required fields", err)
	}
	for field, change := range map[string]func(*canary.Config){
		"ID":        func(c *canary.Config) { c.ID = "" },
		"Started":   func(c *canary.Config) { c.Started = time.Time{} },
		"Topic":     func(c *canary.Config) { c.Topic = "" },
		"Publisher": func(c *canary.Config) { c.Publisher = nil },
		"Nodes":     func(c *canary.Config) { c.Nodes = nil },
		"Reconnect": func(c *canary.Config) { c.Reconnect = nil },
		"Interval":  func(c *canary.Config) { c.Interval = -1 },
		"Silence":   func(c *canary.Config) { c.Silence = -1 },
	} {
		t.Run(field, func(t *testing.T) {
			cfg := good
			change(&cfg)
			if _, err := canary.New(cfg); err == nil || strings.Count(err.Error(), "canary: ") != 1 || !strings.Contains(err.Error(), field) {
				t.Errorf("got %v, want one error that names the field", err)
			}
		})
	}
}

var _ canary.Publisher = (*nsqpubsub.Producer)(nil)
