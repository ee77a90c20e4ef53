package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/config"
	"rollcall/services/proxy"
)

func TestKeysHaveNameAndDoc(t *testing.T) {
	keys := make(map[string]config.Key)
	for _, k := range config.Keys() {
		keys[k.Path] = k
	}
	var walk func(section reflect.Type, prefix string) int
	walk = func(section reflect.Type, prefix string) (fields int) {
		for f := range section.Fields() {
			name := f.Tag.Get("koanf")
			if name == "-" {
				continue
			}
			if name == "" || strings.ToLower(name) != name || strings.ContainsAny(name, "._") {
				t.Errorf("%s.%s: koanf %q, want a word in lower case", section, f.Name, name)
			}
			if f.Type.Kind() == reflect.Struct {
				fields += walk(f.Type, prefix+name+".")
				continue
			}
			fields++
			if k, ok := keys[prefix+name]; !ok || k.Doc == "" || k.Doc != f.Tag.Get("doc") {
				t.Errorf("%s.%s: key %+v, want one with a doc", section, f.Name, k)
			}
		}
		return fields
	}
	if n := walk(reflect.TypeFor[config.Config](), ""); n != len(keys) || n < 20 {
		t.Errorf("%d fields, %d keys", n, len(keys))
	}
}

func TestKeyEnv(t *testing.T) {
	if got := (config.Key{Path: "nsq.tls.ca"}).Env(); got != "ROLLCALL_NSQ_TLS_CA" {
		t.Errorf("got %s", got)
	}
}

func TestAddFlagsOfSections(t *testing.T) {
	flags := mustFlags(t)
	for _, k := range config.Keys() {
		f := flags.Lookup(k.Path)
		if f == nil || f.Usage != k.Doc {
			t.Errorf("%s: flag %+v", k.Path, f)
		}
	}
}

func TestReadReadsYAML(t *testing.T) {
	want := config.Default()
	want.ID = "api-1"
	want.NSQ.NSQD = []string{"10.0.0.1:4150", "10.0.0.2:4150"}
	want.Registry = config.Registry{Interval: 1500 * time.Millisecond, TTL: time.Minute, Tick: 10 * time.Millisecond, MaxServers: 7, Allow: []string{"10.0.0.0/8"}, Probe: "tcp", Snapshot: "/tmp/roll.json"}
	want.Proxy = config.Proxy{
		Listen: "off", Routes: []string{"/a,b=data", "h=x"}, Trusted: []string{"10.0.0.0/8", "::1/128"}, TLS: config.ProxyTLS{Cert: "c", Key: "k"}, Policy: "hash",
		Policies: map[string]string{"data": "random", "on": "leastload"}, Hash: "cookie:sid", Zone: "off", SlowStart: 1, Panic: 1,
		Eject: balancer.Ejection{After: 1, For: 2, Longest: 3, Percent: 4}, Retry: proxy.Retry{Attempts: 5, Percent: 6, PerSecond: 7},
		Timeout:     proxy.Timeouts{ConnectTimeout: 1, ResponseTimeout: 2, HeaderTimeout: 3, IdleTimeout: 4, StallTimeout: 5},
		HeaderLimit: 10_000, Drain: 6, Connections: 8,
	}
	want.DataServer.Weight = 0
	want.DataServer.Tags = []string{"a, b", "true", "12"}
	want.DataServer.Meta = map[string]string{"dotted.key": "x=y,z", "yes": "no", "empty": ""}
	want.DataServer.Zone = "null"
	want.DataServer.Version = "1.10"
	text, err := want.YAML()
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Read(mustFile(t, string(text)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v\nof\n%s", got, want, text)
	}
}

func TestYAMLMasksSecrets(t *testing.T) {
	cfg := config.Default()
	cfg.NSQ.Auth = "hush-hush"
	text, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); strings.Contains(s, "hush") || !strings.Contains(s, "********") {
		t.Errorf("got\n%s", s)
	}
	cfg.NSQ.Auth = "" // an empty secret is not masked
	if text, err = cfg.YAML(); err != nil || strings.Contains(string(text), "*") {
		t.Errorf("got %v\n%s", err, text)
	}
}

// Users keep the output as a file. With a random id in it, all processes that read the file would have the same id.
func TestYAMLOmitsRandomID(t *testing.T) {
	cfg, err := config.Read("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := cfg.YAML()
	if err != nil || cfg.ID == "" || strings.Contains(string(text), cfg.ID) {
		t.Errorf("got %q, %v, want it without the id %q", text, err, cfg.ID)
	}
	again, err := config.Read(mustFile(t, string(text)), nil, nil)
	if err != nil || again.ID == cfg.ID {
		t.Errorf("the next process has the id %q too, %v", again.ID, err)
	}
	for _, id := range []string{"api-1", cfg.ID} { // a configured id is printed
		if cfg, err = config.Read(mustFile(t, "id: "+id+"\n"), nil, nil); err != nil {
			t.Fatal(err)
		}
		if text, err = cfg.YAML(); err != nil || !strings.Contains(string(text), "id: "+id+"\n") {
			t.Errorf("got %q, %v, want the id %q", text, err, id)
		}
	}
}
