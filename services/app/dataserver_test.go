package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/app"
	"rollcall/services/config"
	"rollcall/services/embednsq"
)

func TestDataServerFollowsKeys(t *testing.T) {
	leftNothing := fixture.WatchLeaks(t)
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	heard, hush := mustListen(t, nsqd.TCPAddr(), "beats")
	cfg := quick(nsqd.TCPAddr())
	cfg.NSQ.Topic = "beats"
	cfg.DataServer = config.DataServer{
		Service: "web", ID: "w-1", Listen: "127.0.0.1:0", Advertise: "10.0.0.7:80", Interval: 200 * time.Millisecond, TTL: time.Second,
		Weight: 7, Zone: "a", Version: "1.2", Tags: []string{"blue"}, Meta: map[string]string{"rack": "r7"},
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	var log output
	s, err := app.NewDataServer(cfg, config.Log{Level: "info", Format: "json"}.NewLogger(&log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	fixture.Eventually(t, 5*time.Second, "two beats", func() bool { return len(heard.heard()) >= 2 })

	var line struct{ Address, Service string }
	// Parse only the first line. On a busy machine a line about a late heartbeat may follow.
	if err := json.NewDecoder(strings.NewReader(log.String())).Decode(&line); err != nil || line.Service != "web" {
		t.Fatalf("got log %q: %v", &log, err)
	}
	if metrics := mustGet(t, "http://"+line.Address+"/metrics"); !strings.Contains(metrics, "\ngo_goroutines") || !strings.Contains(metrics, "\nrollcall_") {
		t.Errorf("/metrics:\n%s", metrics)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	fixture.Eventually(t, 5*time.Second, "leave", func() bool { return bytes.Contains(heard.heard()[len(heard.heard())-1], []byte(`"leave"`)) })
	hush()
	h, err := events.DecodeHeartbeat(heard.heard()[0])
	if err != nil {
		t.Fatal(err)
	}
	want := h
	want.Service, want.ID, want.Addr, want.IntervalMS, want.TTLMS = "web", "w-1", "10.0.0.7:80", 200, 1000
	want.Weight, want.Zone, want.Version, want.Tags, want.Meta = 7, "a", "1.2", []string{"blue"}, events.Meta{{Key: "rack", Value: "r7"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got %+v, want %+v", h, want)
	}
	if err := nsqd.Stop(); err != nil {
		t.Error(err)
	}
	leftNothing()
}

func TestDataServerWithWeight0Drains(t *testing.T) {
	nsqd := fixture.NSQD(t, embednsq.NSQDConfig{})
	heard, _ := mustListen(t, nsqd.TCPAddr(), events.HeartbeatTopic)
	cfg := quick(nsqd.TCPAddr())
	cfg.DataServer.Listen, cfg.DataServer.Weight = "127.0.0.1:0", 0
	s, err := app.NewDataServer(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	fixture.Eventually(t, 5*time.Second, "a beat", func() bool { return len(heard.heard()) > 0 })
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if h, err := events.DecodeHeartbeat(heard.heard()[0]); err != nil || h.Weight != 0 {
		t.Errorf("got %+v, %v, want weight 0", h, err)
	}
}

func TestInvalidDataServerConfig(t *testing.T) {
	cfg := quick("127.0.0.1:4150")
	cfg.DataServer.Tags = []string{"a\nb"}
	if _, err := app.NewDataServer(cfg, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "Tags") {
		t.Errorf("got %v, want one that names Tags", err)
	}
}
