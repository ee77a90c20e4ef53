package nsqpubsub_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/pipeline/nsqpubsub"
)

func TestValidateNamesTheInvalidField(t *testing.T) {
	rows := map[string]struct {
		field   string
		breakIt func(*nsqpubsub.ConsumerConfig)
	}{
		"no nsqd and no nsqlookupd":                 {"NSQD and Lookupd", func(c *nsqpubsub.ConsumerConfig) { c.NSQD, c.Lookupd = nil, nil }},
		"nsqd without port":                         {"NSQD", func(c *nsqpubsub.ConsumerConfig) { c.NSQD = []string{"nsqd"} }},
		"nsqd without host":                         {"NSQD", func(c *nsqpubsub.ConsumerConfig) { c.NSQD = []string{":4150"} }},
		"nsqlookupd without port":                   {"Lookupd", func(c *nsqpubsub.ConsumerConfig) { c.Lookupd = []string{"http://lookupd"} }},
		"unknown compression":                       {"Compression", func(c *nsqpubsub.ConsumerConfig) { c.Compression = 3 }},
		"negative interval":                         {"LookupdPollInterval", func(c *nsqpubsub.ConsumerConfig) { c.LookupdPollInterval = -1 }},
		"topic with a slash":                        {"Topic", func(c *nsqpubsub.ConsumerConfig) { c.Topic = "a/b" }},
		"no channel":                                {"Channel", func(c *nsqpubsub.ConsumerConfig) { c.Channel = "" }},
		"channel of 65 characters":                  {"Channel", func(c *nsqpubsub.ConsumerConfig) { c.Channel = strings.Repeat("x", 55) + "#ephemeral" }},
		"topic to create with a slash":              {"CreateTopics", func(c *nsqpubsub.ConsumerConfig) { c.CreateTopics = []string{"u", "a/b"} }},
		"negative MaxInFlight":                      {"MaxInFlight", func(c *nsqpubsub.ConsumerConfig) { c.MaxInFlight = -1 }},
		"read timeout below the heartbeat interval": {"ReadTimeout", func(c *nsqpubsub.ConsumerConfig) { c.ReadTimeout = time.Second }},
		"negative delay":                            {"RequeueDelay", func(c *nsqpubsub.ConsumerConfig) { c.RequeueDelay = -1 }},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			cfg := nsqpubsub.ConsumerConfig{
				Cluster: nsqpubsub.Cluster{NSQD: []string{"127.0.0.1:4150"}, Lookupd: []string{"127.0.0.1:4161", "https://lookupd:443"}},
				Topic:   "t",
				Channel: strings.Repeat("x", 54) + "#ephemeral",
			}
			if _, err := nsqpubsub.NewConsumer(cfg); err != nil {
				t.Fatalf("valid configuration: %v", err)
			}
			row.breakIt(&cfg)
			if _, err := nsqpubsub.NewConsumer(cfg); err == nil || !strings.Contains(err.Error(), row.field+":") {
				t.Errorf("got %v, want an error that names %s", err, row.field)
			}
		})
	}
}

func TestSubscriberConfigWithTopic(t *testing.T) {
	cfg := subscriberConfig(nsqpubsub.Cluster{NSQD: []string{"127.0.0.1:4150"}})
	cfg.Topic = "t"
	if _, err := nsqpubsub.NewSubscriber(cfg); err == nil || !strings.Contains(err.Error(), "Topic:") {
		t.Errorf("got %v, want an error that names Topic", err)
	}
}

func TestClusterAddresses(t *testing.T) {
	c := nsqpubsub.Cluster{
		NSQD:    []string{"10.0.0.1:4150", "nsqd2:4150", "10.0.0.3"},
		Lookupd: []string{"nsqlookupd1:4161", "http://10.0.0.4:4161/", "https://[2001:db8::1]:443", "://"},
	}
	want := []string{"10.0.0.1:4150", "nsqd2:4150", "nsqlookupd1:4161", "10.0.0.4:4161", "[2001:db8::1]:443"}
	if got := c.Addresses(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
