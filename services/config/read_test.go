package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"rollcall/services/config"
)

func TestFlagOverridesEnvironmentOverridesFileOverridesDefault(t *testing.T) {
	type said struct{ file, env, flag string }
	for _, key := range []struct {
		name  string
		env   string
		flag  string
		read  func(config.Config) any
		said  said
		wants [4]any // values from the default, the file, the environment and the flag
	}{
		{
			name: "string", env: "ROLLCALL_LOG_LEVEL", flag: "--log.level",
			read:  func(c config.Config) any { return c.Log.Level },
			said:  said{"log: {level: debug}", "warn", "error"},
			wants: [4]any{"info", "debug", "warn", "error"},
		}, {
			name: "int", env: "ROLLCALL_REGISTRY_MAXSERVERS", flag: "--registry.maxservers",
			read:  func(c config.Config) any { return c.Registry.MaxServers },
			said:  said{"registry: {maxservers: 1}", "2", "3"},
			wants: [4]any{100_000, 1, 2, 3},
		}, {
			name: "the word off", env: "ROLLCALL_PROXY_LISTEN", flag: "--proxy.listen",
			read:  func(c config.Config) any { return c.Proxy.Listen },
			said:  said{"proxy: {listen: off}", "off", "off"},
			wants: [4]any{"127.0.0.1:8080", "off", "off", "off"},
		}, {
			name: "list of routes", env: "ROLLCALL_PROXY_ROUTES", flag: "--proxy.routes",
			read:  func(c config.Config) any { return c.Proxy.Routes },
			said:  said{"proxy: {routes: [/orders=billing, 'shop.example.com/cart=cart/c']}", "/a=b, h=b", "/x=y"},
			wants: [4]any{[]string{}, []string{"/orders=billing", "shop.example.com/cart=cart/c"}, []string{"/a=b", "h=b"}, []string{"/x=y"}},
		}, {
			name: "map of names", env: "ROLLCALL_PROXY_POLICIES", flag: "--proxy.policies",
			read:  func(c config.Config) any { return c.Proxy.Policies },
			said:  said{"proxy: {policies: {data: hash}}", "data=random,cart=leastload", "data=p2c"},
			wants: [4]any{map[string]string{}, map[string]string{"data": "hash"}, map[string]string{"data": "random", "cart": "leastload"}, map[string]string{"data": "p2c"}},
		}, {
			name: "bool", env: "ROLLCALL_NSQ_TLS_ENABLED", flag: "--nsq.tls.enabled",
			read:  func(c config.Config) any { return c.NSQ.TLS.Enabled },
			said:  said{"nsq: {tls: {enabled: true}}", "false", "true"},
			wants: [4]any{false, true, false, true},
		}, {
			name: "duration", env: "ROLLCALL_REGISTRY_TTL", flag: "--registry.ttl",
			read:  func(c config.Config) any { return c.Registry.TTL },
			said:  said{"registry: {ttl: 20s}", "1m30s", "15000ms"},
			wants: [4]any{10 * time.Second, 20 * time.Second, 90 * time.Second, 15 * time.Second},
		}, {
			name: "list", env: "ROLLCALL_NSQ_LOOKUPD", flag: "--nsq.lookupd",
			read:  func(c config.Config) any { return c.NSQ.Lookupd },
			said:  said{"nsq: {lookupd: [f1:1, f2:2]}", "e1:1, e2:2", "g1:1,g2:2,g3:3"},
			wants: [4]any{[]string{"127.0.0.1:4161"}, []string{"f1:1", "f2:2"}, []string{"e1:1", "e2:2"}, []string{"g1:1", "g2:2", "g3:3"}},
		}, {
			name: "map", env: "ROLLCALL_DATASERVER_META", flag: "--dataserver.meta",
			read: func(c config.Config) any { return c.DataServer.Meta },
			said: said{"dataserver: {meta: {rack: r7, a.b: x=y}}", "rack=e, slot=2", "rack=x=y"},
			wants: [4]any{
				map[string]string{}, map[string]string{"rack": "r7", "a.b": "x=y"},
				map[string]string{"rack": "e", "slot": "2"}, map[string]string{"rack": "x=y"},
			},
		},
	} {
		for i, way := range []string{"default", "file", "environment", "flag"} {
			t.Run(key.name+" by "+way, func(t *testing.T) {
				var path string
				var args []string
				if i >= 1 {
					path = mustFile(t, key.said.file)
				}
				if i >= 2 {
					t.Setenv(key.env, key.said.env)
				}
				if i >= 3 {
					args = []string{key.flag + "=" + key.said.flag}
				}
				cfg, err := config.Read(path, mustFlags(t, args...), nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := key.read(cfg); !reflect.DeepEqual(got, key.wants[i]) {
					t.Errorf("got %#v, want %#v", got, key.wants[i])
				}
			})
		}
	}
}

func TestScalarsOfTheFileAreText(t *testing.T) {
	for name, row := range map[string]struct {
		file string
		read func(config.Config) any
		want any
	}{
		"true is a word":              {"dataserver: {zone: true}", func(c config.Config) any { return c.DataServer.Zone }, "true"},
		"a number is a word":          {"dataserver: {meta: {rack: 7}}", func(c config.Config) any { return c.DataServer.Meta["rack"] }, "7"},
		"one word is a list":          {"dataserver: {tags: blue}", func(c config.Config) any { return c.DataServer.Tags }, []string{"blue"}},
		"a list may have commas":      {"dataserver: {tags: ['a,b', 7]}", func(c config.Config) any { return c.DataServer.Tags }, []string{"a,b", "7"}},
		"an empty list is one":        {"nsq: {lookupd: [], nsqd: ['n:1']}", func(c config.Config) any { return c.NSQ.Lookupd }, []string{}},
		"a key without a value":       {"dataserver: {weight: }", func(c config.Config) any { return c.DataServer.Weight }, 100},
		"a section without a word":    {"log:\nnsq: {}", func(c config.Config) any { return c.Log.Level }, "info"},
		"0 is a value":                {"dataserver: {weight: 0}", func(c config.Config) any { return c.DataServer.Weight }, 0},
		"nothing in the whole file":   {"# nothing\n", func(c config.Config) any { return c.API.Listen }, "127.0.0.1:4180"},
		"an id of its own":            {"id: 12", func(c config.Config) any { return c.ID }, "12"},
		"minutes are a duration, too": {"registry: {ttl: 2m}", func(c config.Config) any { return c.Registry.TTL }, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Read(mustFile(t, row.file), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := row.read(cfg); !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %#v, want %#v", got, row.want)
			}
		})
	}
}

func TestReadReportsEachProblemWithItsKey(t *testing.T) {
	for name, row := range map[string]struct {
		file string
		want []string // lines of the error; FILE stands for the path of the file
	}{
		"unknown key": {"registry: {tll: 10s}", []string{
			`configuration file FILE: unknown key "registry.tll", did you mean "registry.ttl"?`}},
		"unknown section": {"regsitry: {tick: 10ms}", []string{
			`configuration file FILE: unknown key "regsitry.tick", did you mean "registry.tick"?`}},
		"unknown key without a value": {"foo:", []string{
			`configuration file FILE: unknown key "foo"`}},
		"section given as a scalar": {"nsq: 127.0.0.1:4161", []string{
			`configuration file FILE: unknown key "nsq": it is a section with the key "nsq.lookupd" and others`}},
		"section given as a list": {"log: [debug]", []string{
			`configuration file FILE: unknown key "log": it is a section with the key "log.level" and others`}},
		"unit missing": {"registry: {ttl: 10}", []string{
			`registry.ttl: "10": want a number with its unit, such as 10s or 250ms`}},
		"no whole number": {"dataserver: {weight: 1.5}", []string{
			`dataserver.weight: cannot parse value as 'int': strconv.ParseInt: invalid syntax`}},
		"list for a word": {"api: {listen: [a, b]}", []string{
			`api.listen: expected type 'string', got unconvertible type '[]interface {}'`}},
		"no pair": {"dataserver: {meta: rack}", []string{
			`dataserver.meta: "rack": want key=value`}},
		"several at once": {"nope: 1\nregistry: {ttl: 10, tick: fast}\nlog: {level: loud}\napi: {listen: 4180}", []string{
			`configuration file FILE: unknown key "nope"`,
			`registry.ttl: "10": want a number with its unit, such as 10s or 250ms`,
			`registry.tick: "fast": want a number with its unit, such as 10s or 250ms`,
			`api.listen "4180": want host:port`,
			`log.level "loud": want debug, info, warn or error`}},
		"no YAML": {"a: b: c", []string{
			`configuration file FILE: yaml: mapping values are not allowed in this context`}},
	} {
		t.Run(name, func(t *testing.T) {
			path := mustFile(t, row.file)
			_, err := config.Read(path, nil, nil)
			if err == nil {
				t.Fatal("no error")
			}
			want := strings.ReplaceAll(strings.Join(row.want, "\n"), "FILE", path)
			if err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

func TestUnreadableFileIsNamed(t *testing.T) {
	folder := t.TempDir()
	for name, row := range map[string]struct{ path, want string }{
		"missing":  {filepath.Join(folder, "none.yaml"), "no such file or directory"},
		"a folder": {folder, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Read(row.path, nil, nil)
			if err == nil || !strings.HasPrefix(err.Error(), "configuration file "+row.path) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %s and %q", err, row.path, row.want)
			}
		})
	}
}

func TestDefaultID(t *testing.T) {
	var ids [2]string
	for i := range ids {
		cfg, err := config.Read("", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = cfg.ID
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9._-]*-[a-z2-7]{8}$`).MatchString(ids[0]) || ids[0] == ids[1] {
		t.Errorf("got %q and %q, want the host's name and two suffixes", ids[0], ids[1])
	}
}

func mustFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustFlags parses args with a flag for each key, and one flag that is no key.
func mustFlags(t testing.TB, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(flags, "id", "nsq", "registry", "api", "proxy", "dataserver", "log")
	flags.String("config", "", "no key")
	if err := flags.Parse(append(args, "--config=x")); err != nil {
		t.Fatal(err)
	}
	return flags
}
