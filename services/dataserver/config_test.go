package dataserver_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/dataserver"
)

func TestInvalidConfigNamesTheField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*dataserver.Config)
		want   string // a part of the error; empty: cfg is valid
	}{
		"address and NSQ are enough":       {func(*dataserver.Config) {}, ""},
		"a publisher replaces NSQ":         {func(c *dataserver.Config) { c.NSQ = nsqpubsub.Cluster{}; c.Publisher = newRecorder() }, ""},
		"default TTL of a longer interval": {func(c *dataserver.Config) { c.Interval = time.Minute }, ""},
		"IPv6":                             {func(c *dataserver.Config) { c.Addr = "[2001:db8::7]:8080" }, ""},
		"no address":                       {func(c *dataserver.Config) { c.Addr = "" }, "Addr"},
		"a host name":                      {func(c *dataserver.Config) { c.Addr = "server-7:8080" }, "Addr"},
		"port 0":                           {func(c *dataserver.Config) { c.Addr = "10.0.0.7:0" }, "Addr"},
		"an unspecified address":           {func(c *dataserver.Config) { c.Addr = "0.0.0.0:8080" }, "Addr"},
		"a link-local address":             {func(c *dataserver.Config) { c.Addr = "169.254.0.1:8080" }, "Addr"},
		"no NSQ":                           {func(c *dataserver.Config) { c.NSQ = nsqpubsub.Cluster{} }, "NSQ"},
		"service is not a DNS label":       {func(c *dataserver.Config) { c.Service = "../x" }, "Service"},
		"an id with a line end":            {func(c *dataserver.Config) { c.ID = "a\nb" }, "ID"},
		"interval under 100 ms":            {func(c *dataserver.Config) { c.Interval = 99 * time.Millisecond }, "Interval"},
		"interval negative":                {func(c *dataserver.Config) { c.Interval = -1 }, "Interval"},
		"a TTL of two intervals":           {func(c *dataserver.Config) { c.TTL = 10 * time.Second }, ""},
		"a TTL just under two intervals":   {func(c *dataserver.Config) { c.TTL = 10*time.Second - 1 }, "TTL"},
		"a TTL of more than a day":         {func(c *dataserver.Config) { c.TTL = 25 * time.Hour }, "TTL"},
		"weight 1001":                      {func(c *dataserver.Config) { c.Weight = 1001 }, "Weight"},
		"weight negative":                  {func(c *dataserver.Config) { c.Weight = -1 }, "Weight"},
		"a zone with a control character":  {func(c *dataserver.Config) { c.Zone = "\x00" }, "Zone"},
		"a version of 129 bytes":           {func(c *dataserver.Config) { c.Version = strings.Repeat("1", 129) }, "Version"},
		"an empty tag":                     {func(c *dataserver.Config) { c.Tags = []string{""} }, "Tags"},
		"an empty meta key":                {func(c *dataserver.Config) { c.Meta = map[string]string{"": "x"} }, "Meta"},
		"each within bounds, all too long": {func(c *dataserver.Config) { c.Meta = metaOf(32, 256) }, "Meta, Tags: heartbeat of"},
		"32 keys that fit together":        {func(c *dataserver.Config) { c.Meta = metaOf(32, 200) }, ""},
		"a topic with a space":             {func(c *dataserver.Config) { c.Topic = "a b" }, "Topic"},
		"leave timeout negative":           {func(c *dataserver.Config) { c.LeaveTimeout = -1 }, "LeaveTimeout"},
		"a nsqd without a port":            {func(c *dataserver.Config) { c.NSQ.NSQD = []string{"127.0.0.1"} }, "NSQD"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := dataserver.Config{Addr: addr, NSQ: nsqpubsub.Cluster{Lookupd: []string{"127.0.0.1:4161"}}}
			c.change(&cfg)
			_, err := dataserver.NewAgent(cfg)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "dataserver: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that names %s", err, c.want)
			}
		})
	}
}

func TestInvalidConfigNamesAllFields(t *testing.T) {
	err := dataserver.Config{
		Service: "-", ID: "\n", Addr: "x", Interval: 1, TTL: -1, Topic: "?", LeaveTimeout: -1,
		Description: dataserver.Description{Weight: -1, Zone: "\n", Version: "\n", Tags: []string{""}, Meta: map[string]string{"": ""}},
	}.Validate()
	if err == nil {
		t.Fatal("Validate accepts the invalid configuration")
	}
	for _, field := range []string{"Service", "ID", "Addr", "Interval", "TTL", "Topic", "LeaveTimeout", "Weight", "Zone", "Version",
		"Tags", "Meta", "NSQ"} {
		if n := strings.Count(err.Error(), "dataserver: "+field+":"); n < 1 {
			t.Errorf("%s is not named in\n%v", field, err)
		}
	}
}

func TestLongestValidHeartbeatFitsInMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newRecorder() // rejects a body that is too long, because the recorder decodes each body
		cfg := dataserver.Config{
			Addr: addr, Publisher: p,
			Load:    func() events.Load { return events.Load{InFlight: math.MinInt64} },
			OnError: func(err error) { t.Error(err) },
		}
		cfg.Meta = metaOf(31, 240)
		var a *dataserver.Agent
		size := events.MaxMetaValue
		for err := errors.New("not tried"); err != nil; size-- {
			cfg.Meta["last"] = strings.Repeat("x", size)
			a, err = dataserver.NewAgent(cfg)
		}
		if size == events.MaxMetaValue-1 {
			t.Fatal("no metadata is too long")
		}
		r := start(t, a.Run)
		synctest.Wait()
		mustStop(t, r)
	})
}

func TestInvalidServerConfigNamesTheField(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*dataserver.ServerConfig)
		want   string
	}{
		"a publisher is enough":   {func(*dataserver.ServerConfig) {}, ""},
		"host name to listen on":  {func(c *dataserver.ServerConfig) { c.Listen = "localhost:0" }, ""},
		"no port":                 {func(c *dataserver.ServerConfig) { c.Listen = "127.0.0.1" }, "Listen"},
		"any host, no address":    {func(c *dataserver.ServerConfig) { c.Listen = ":8080" }, ""},
		"any host and an address": {func(c *dataserver.ServerConfig) { c.Listen, c.Agent.Addr = ":8080", addr }, ""},
		"negative linger":         {func(c *dataserver.ServerConfig) { c.Linger = -1 }, "Linger"},
		"negative drain":          {func(c *dataserver.ServerConfig) { c.Drain = -1 }, "Drain"},
		"invalid agent field":     {func(c *dataserver.ServerConfig) { c.Agent.Weight = -1 }, "Weight"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := dataserver.ServerConfig{Agent: dataserver.Config{Publisher: newRecorder()}}
			c.change(&cfg)
			_, err := dataserver.NewServer(cfg)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that names %s", err, c.want)
			}
		})
	}
}

func metaOf(keys, size int) map[string]string {
	meta := make(map[string]string)
	for i := range keys {
		meta[fmt.Sprint("key", i)] = strings.Repeat("x", size)
	}
	return meta
}

func TestEveryDescriptionFieldIsValidated(t *testing.T) {
	for f := range reflect.TypeFor[dataserver.Description]().Fields() {
		cfg := dataserver.Config{Addr: addr, Publisher: newRecorder()}
		v := reflect.ValueOf(&cfg.Description).Elem().FieldByIndex(f.Index)
		switch v.Interface().(type) {
		case bool:
			continue
		case int:
			v.SetInt(-1)
		case string:
			v.SetString("\n")
		case []string:
			v.Set(reflect.ValueOf([]string{""}))
		case map[string]string:
			v.Set(reflect.ValueOf(map[string]string{"": ""}))
		default:
			t.Fatalf("%s has the type %s: add an invalid value above", f.Name, f.Type)
		}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "dataserver: "+f.Name+": ") {
			t.Errorf("got error %v, want one that names %s", err, f.Name)
		}
	}
}
