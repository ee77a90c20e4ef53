package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/services/config"
)

func TestDefaultIsValidExceptForTheID(t *testing.T) {
	cfg := config.Default()
	if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), `id "": want`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want the id alone", err)
	}
}

func TestValidateNamesInvalidKeys(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*config.Config)
		want   []string // prefixes of the lines of the error
	}{
		"id of 54 characters":       {func(c *config.Config) { c.ID = strings.Repeat("a", 54) }, nil},
		"id of 55 characters":       {func(c *config.Config) { c.ID = strings.Repeat("a", 55) }, []string{"id "}},
		"id with a #":               {func(c *config.Config) { c.ID = "a#ephemeral" }, []string{"id "}},
		"no broker":                 {func(c *config.Config) { c.NSQ.Lookupd = nil }, []string{"nsq.lookupd and nsq.nsqd are both empty"}},
		"nsqd alone":                {func(c *config.Config) { c.NSQ.Lookupd, c.NSQ.NSQD = nil, []string{"n:4150"} }, nil},
		"lookupd as URL":            {func(c *config.Config) { c.NSQ.Lookupd = []string{"https://l:4161/", "http://l:4161"} }, nil},
		"lookupd with a path":       {func(c *config.Config) { c.NSQ.Lookupd = []string{"http://l:4161/nodes"} }, []string{"nsq.lookupd "}},
		"nsqd without a host":       {func(c *config.Config) { c.NSQ.NSQD = []string{":4150"} }, []string{`nsq.nsqd ":4150"`}},
		"nsqd on port 0":            {func(c *config.Config) { c.NSQ.NSQD = []string{"n:0"} }, []string{`nsq.nsqd "n:0"`}},
		"nsqd on port 65536":        {func(c *config.Config) { c.NSQ.NSQD = []string{"n:65536"} }, []string{`nsq.nsqd "n:65536"`}},
		"topic of 56 characters":    {func(c *config.Config) { c.NSQ.Topic = strings.Repeat("t", 56) }, nil},
		"no room for .invalid":      {func(c *config.Config) { c.NSQ.Topic = strings.Repeat("t", 57) }, []string{"nsq.topic "}},
		"topic that is a path":      {func(c *config.Config) { c.NSQ.Topic = "a/b" }, []string{`nsq.topic "a/b"`}},
		"events of 64 characters":   {func(c *config.Config) { c.NSQ.Events = strings.Repeat("t", 64) }, nil},
		"events of 65 characters":   {func(c *config.Config) { c.NSQ.Events = strings.Repeat("t", 65) }, []string{"nsq.events "}},
		"one topic for both":        {func(c *config.Config) { c.NSQ.Events = c.NSQ.Topic }, []string{"nsq.topic and nsq.events"}},
		"compression":               {func(c *config.Config) { c.NSQ.Compression = "gzip" }, []string{`nsq.compression "gzip"`}},
		"interval as long as TTL":   {func(c *config.Config) { c.Registry.Interval = 10 * time.Second }, []string{"registry.ttl 10s"}},
		"TTL of two intervals":      {func(c *config.Config) { c.Registry.TTL = 10 * time.Second }, nil},
		"TTL just below":            {func(c *config.Config) { c.Registry.TTL = 10*time.Second - 1 }, []string{"registry.ttl 9.999999999s"}},
		"no interval":               {func(c *config.Config) { c.Registry.Interval = 0 }, []string{"registry.interval 0s", "registry.tick 250ms"}},
		"tick above the interval":   {func(c *config.Config) { c.Registry.Tick = 6 * time.Second }, []string{"registry.tick 6s"}},
		"no tick":                   {func(c *config.Config) { c.Registry.Tick = 0 }, []string{"registry.tick 0s"}},
		"no servers":                {func(c *config.Config) { c.Registry.MaxServers = 0 }, []string{"registry.maxservers 0"}},
		"address as CIDR":           {func(c *config.Config) { c.Registry.Allow = []string{"10.0.0.0/8", "10.0.0.1"} }, []string{`registry.allow "10.0.0.1"`}},
		"probes off":                {func(c *config.Config) { c.Registry.Probe = "off" }, nil},
		"probes by ping":            {func(c *config.Config) { c.Registry.Probe = "ping" }, []string{`registry.probe "ping"`}},
		"no folder for a snapshot":  {func(c *config.Config) { c.Registry.Snapshot = "/nowhere/roll.json" }, []string{"registry.snapshot: "}},
		"every address":             {func(c *config.Config) { c.API.Listen = ":4180" }, nil},
		"no port":                   {func(c *config.Config) { c.API.Listen = "127.0.0.1" }, []string{`api.listen "127.0.0.1"`}},
		"empty port":                {func(c *config.Config) { c.API.Listen = "127.0.0.1:" }, []string{`api.listen "127.0.0.1:"`}},
		"URL":                       {func(c *config.Config) { c.API.Listen = "http://127.0.0.1:4180" }, []string{"api.listen "}},
		"proxy's port taken by API": {func(c *config.Config) { c.API.Listen = ":8080" }, []string{`proxy.listen "127.0.0.1:8080": want another port than api.listen ":8080"`}},
		"service in capitals":       {func(c *config.Config) { c.DataServer.Service = "Data" }, []string{`dataserver.service "Data"`}},
		"unspecified, advertised": {func(c *config.Config) {
			c.DataServer.Listen, c.DataServer.Advertise = ":9001", "10.0.0.7:9001"
		}, nil},
		"advertised by name":   {func(c *config.Config) { c.DataServer.Advertise = "data-1:9001" }, []string{`dataserver.advertise "data-1:9001"`}},
		"server's TTL":         {func(c *config.Config) { c.DataServer.TTL = 9 * time.Second }, []string{"dataserver.ttl 9s"}},
		"drained":              {func(c *config.Config) { c.DataServer.Weight = 0 }, nil},
		"weight above 1000":    {func(c *config.Config) { c.DataServer.Weight = 1001 }, []string{"dataserver.weight 1001"}},
		"weight below 0":       {func(c *config.Config) { c.DataServer.Weight = -1 }, []string{"dataserver.weight -1"}},
		"empty level":          {func(c *config.Config) { c.Log.Level = "" }, []string{`log.level ""`}},
		"level beyond error":   {func(c *config.Config) { c.Log.Level = "fatal" }, []string{`log.level "fatal"`}},
		"level in capitals":    {func(c *config.Config) { c.Log.Level = "WARN" }, nil},
		"format":               {func(c *config.Config) { c.Log.Format = "xml" }, []string{`log.format "xml"`}},
		"two at once, in turn": {func(c *config.Config) { c.Log.Format, c.API.Listen = "xml", "" }, []string{`api.listen ""`, `log.format "xml"`}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.ID = "api-1"
			row.change(&cfg)
			got := strings.Split(fmt.Sprint(cfg.Validate()), "\n")
			if row.want == nil {
				row.want = []string{"<nil>"}
			}
			if len(got) != len(row.want) {
				t.Fatalf("got %q, want %q", got, row.want)
			}
			for i, want := range row.want {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("got %q, want a line that begins with %q", got[i], want)
				}
			}
		})
	}
}
