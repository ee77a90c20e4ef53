package config_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/config"
	"rollcall/services/proxy"
)

func TestValidateNamesInvalidProxyKeys(t *testing.T) {
	nothing := config.Proxy{}
	handlers := map[string]http.Handler{"hello": http.NotFoundHandler(), "nil": nil}
	for name, row := range map[string]struct {
		change func(*config.Proxy)
		want   []string // prefixes of the lines of the error
	}{
		"off":                         {func(x *config.Proxy) { x.Listen = "off" }, nil},
		"any port":                    {func(x *config.Proxy) { x.Listen = ":0" }, nil},
		"no address":                  {func(x *config.Proxy) { x.Listen = "none" }, []string{`proxy.listen "none": want host:port or off`}},
		"off in capitals":             {func(x *config.Proxy) { x.Listen = "OFF" }, []string{`proxy.listen "OFF"`}},
		"the address of the API":      {func(x *config.Proxy) { x.Listen = "127.0.0.1:4180" }, []string{`proxy.listen "127.0.0.1:4180": want another port than api.listen "127.0.0.1:4180"`}},
		"its port on every address":   {func(x *config.Proxy) { x.Listen = "0.0.0.0:4180" }, []string{"proxy.listen "}},
		"its port on another address": {func(x *config.Proxy) { x.Listen = "10.0.0.7:4180" }, nil},
		"routes":                      {func(x *config.Proxy) { x.Routes = []string{"/a=b", "c=d", "/e=handler:hello"} }, nil},
		"wrong routes, in turn": {func(x *config.Proxy) { x.Routes = []string{"/a=B", "/b=c", "/../c=d", "/b=e"} },
			[]string{`proxy.routes "/a=B": `, `proxy.routes "/../c=d": `, `proxy.routes "/b=e": same host and prefix as "/b=c"`}},
		"a handler that is not there": {func(x *config.Proxy) { x.Routes = []string{"/a=handler:nobody", "/b=handler:nil"} },
			[]string{`proxy.routes: no handler "nobody"`, `proxy.routes: no handler "nil"`}},
		"each policy": {func(x *config.Proxy) {
			x.Policy, x.Policies = "hash", map[string]string{"a": "p2c", "b": "random", "c": "roundrobin", "d": "leastload", "e": "hash"}
		}, nil},
		"no policy":            {func(x *config.Proxy) { x.Policy = "" }, []string{`proxy.policy "": want one of p2c, random, roundrobin, leastload, hash`}},
		"a policy in capitals": {func(x *config.Proxy) { x.Policy = "P2C" }, []string{`proxy.policy "P2C"`}},
		"policies, in turn":    {func(x *config.Proxy) { x.Policies = map[string]string{"b": "best", "a": "", "C": "p2c"} }, []string{`proxy.policies: service "C"`, `proxy.policies: a ""`, `proxy.policies: b "best"`}},
		"hash by header":       {func(x *config.Proxy) { x.Hash = "header:X-User" }, nil},
		"hash by cookie":       {func(x *config.Proxy) { x.Hash = "cookie:sid" }, nil},
		"hash by query":        {func(x *config.Proxy) { x.Hash = "query:user id" }, nil},
		"hash by nothing":      {func(x *config.Proxy) { x.Hash = "" }, []string{`proxy.hash ""`}},
		"hash by any header":   {func(x *config.Proxy) { x.Hash = "header" }, []string{`proxy.hash "header"`}},
		"hash by no header":    {func(x *config.Proxy) { x.Hash = "header:X User" }, []string{`proxy.hash "header:X User"`}},
		"hash by no cookie":    {func(x *config.Proxy) { x.Hash = "cookie:" }, []string{`proxy.hash "cookie:"`}},
		"hash by no parameter": {func(x *config.Proxy) { x.Hash = "query:" }, []string{`proxy.hash "query:"`}},
		"hash by a client's":   {func(x *config.Proxy) { x.Hash = "client:ip" }, []string{`proxy.hash "client:ip"`}},
		"a zone of 128 bytes":  {func(x *config.Proxy) { x.Zone = strings.Repeat("z", 128) }, nil},
		"a zone of 129 bytes":  {func(x *config.Proxy) { x.Zone = strings.Repeat("z", 129) }, []string{"proxy.zone: 129 bytes"}},
		"all that may be 0": {func(x *config.Proxy) {
			x.SlowStart, x.Panic, x.Eject.After, x.Eject.Percent, x.Retry, x.Drain = 0, 0, 0, 0, proxy.Retry{}, 0
		}, nil},
		"percents of 100":     {func(x *config.Proxy) { x.Panic, x.Eject.Percent, x.Retry.Percent = 100, 100, 100 }, nil},
		"percents of 101":     {func(x *config.Proxy) { x.Panic, x.Eject.Percent, x.Retry.Percent = 101, 101, 101 }, []string{"proxy.panic 101", "proxy.eject.percent 101", "proxy.retry.percent 101"}},
		"ejected for longest": {func(x *config.Proxy) { x.Eject.For = time.Minute }, nil},
		"ejected for longer":  {func(x *config.Proxy) { x.Eject.For = time.Minute + 1 }, []string{"proxy.eject.longest 1m0s: want at least the proxy.eject.for of 1m0.000000001s"}},
		"ten attempts":        {func(x *config.Proxy) { x.Retry.Attempts = 10 }, nil},
		"eleven attempts":     {func(x *config.Proxy) { x.Retry.Attempts = 11 }, []string{"proxy.retry.attempts 11"}},
		"proxies in front":    {func(x *config.Proxy) { x.Trusted = []string{"10.0.0.0/8", "fd00::/8", "192.0.2.7/32"} }, nil},
		"no CIDR of a proxy": {func(x *config.Proxy) { x.Trusted = []string{"10.0.0.0/8", "10.0.0.7", "balancer/8"} },
			[]string{`proxy.trusted "10.0.0.7": want a CIDR such as 10.0.0.0/8`, `proxy.trusted "balancer/8": want a CIDR`}},
		"a header of 8 KiB":    {func(x *config.Proxy) { x.HeaderLimit = 8192 }, nil},
		"a header below 8 KiB": {func(x *config.Proxy) { x.HeaderLimit = 8191 }, []string{"proxy.headerlimit 8191: want 8192 to 1048576"}},
		"a header above 1 MiB": {func(x *config.Proxy) { x.HeaderLimit = 1<<20 + 1 }, []string{"proxy.headerlimit 1048577"}},
		"all below 0": {func(x *config.Proxy) {
			x.SlowStart, x.Panic, x.Drain = -1, -1, -1
			x.Eject = balancer.Ejection{After: -1, For: -1, Longest: -1, Percent: -1}
			x.Retry = proxy.Retry{Attempts: -1, Percent: -1, PerSecond: -1}
		}, []string{
			"proxy.slowstart -1ns: want 0s or more", "proxy.panic -1: want 0 to 100", "proxy.eject.after -1", "proxy.eject.for -1ns: want more than 0",
			"proxy.eject.percent -1", "proxy.retry.attempts -1", "proxy.retry.percent -1", "proxy.retry.persecond -1", "proxy.drain -1ns",
		}},
		"nothing said": {func(x *config.Proxy) { *x = nothing }, []string{
			`proxy.listen ""`, "proxy.connections 0", `proxy.policy ""`, `proxy.hash ""`, "proxy.eject.for 0s", "proxy.timeout.connect 0s", "proxy.timeout.response 0s",
			"proxy.timeout.header 0s", "proxy.timeout.idle 0s", "proxy.timeout.stall 0s", "proxy.headerlimit 0",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.ID = "api-1"
			cfg.Proxy.Handlers = handlers
			row.change(&cfg.Proxy)
			checkLines(t, cfg.Validate(), row.want...)
		})
	}
}

// checkLines checks that err has one line for each prefix in want. If want is empty, err must be nil.
func checkLines(t testing.TB, err error, want ...string) {
	t.Helper()
	got := slices.DeleteFunc(strings.Split(fmt.Sprint(err), "\n"), func(line string) bool { return line == "<nil>" })
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %q, want a line that begins with %q", got[i], want[i])
		}
	}
}

func TestListenAddressesThatCollide(t *testing.T) {
	for _, row := range []struct {
		api, proxy string
		apart      bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", false},
		{"127.0.0.1:80", "127.0.0.1:http", false},
		{"localhost:80", "LOCALHOST:80", false},
		{"127.0.0.1:80", ":80", false},
		{"[::]:80", "127.0.0.1:80", false},
		{"0.0.0.0:80", ":80", false},
		{"127.0.0.1:0", "127.0.0.1:0", true},
		{":0", ":0", true},
		{"127.0.0.1:80", "127.0.0.1:81", true},
		{"127.0.0.1:80", "127.0.0.2:80", true},
		{"127.0.0.1:80", "off", true},
	} {
		t.Run(row.api+" and "+row.proxy, func(t *testing.T) {
			cfg := config.Default()
			cfg.ID, cfg.API.Listen, cfg.Proxy.Listen = "api-1", row.api, row.proxy
			if err := cfg.Validate(); (err == nil) != row.apart {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestValidateReadsProxyTLSFiles(t *testing.T) {
	cert, key := mustPair(t)
	other, _ := mustPair(t)
	none := filepath.Join(t.TempDir(), "none.pem")
	for name, row := range map[string]struct {
		listen string
		tls    config.ProxyTLS
		want   []string // prefixes of the lines of the error
	}{
		"a pair":             {":0", config.ProxyTLS{Cert: cert, Key: key}, nil},
		"none":               {":0", config.ProxyTLS{}, nil},
		"cert without a key": {":0", config.ProxyTLS{Cert: cert}, []string{"proxy.tls.cert and proxy.tls.key: want both or neither"}},
		"key without a cert": {":0", config.ProxyTLS{Key: key}, []string{"proxy.tls.cert and proxy.tls.key: want both or neither"}},
		"no file":            {":0", config.ProxyTLS{Cert: none, Key: key}, []string{"proxy.tls.cert and proxy.tls.key: open " + none}},
		"key of another":     {":0", config.ProxyTLS{Cert: other, Key: key}, []string{"proxy.tls.cert and proxy.tls.key: tls: private key does not match"}},
		"nobody listens":     {"off", config.ProxyTLS{Cert: none, Key: none}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.ID, cfg.Proxy.Listen, cfg.Proxy.TLS = "api-1", row.listen, row.tls
			checkLines(t, cfg.Validate(), row.want...)
		})
	}
}

func TestRouteToMissingHandler(t *testing.T) {
	path := mustFile(t, "proxy: {routes: [/hello=handler:hello], panic: 101}")
	_, err := config.Read(path, nil, nil)
	checkLines(t, err, `proxy.routes: no handler "hello" in this program`, "proxy.panic 101: want 0 to 100")
	cfg, err := config.Read(mustFile(t, "proxy: {routes: [/hello=handler:hello]}"), nil, map[string]http.Handler{"hello": http.NotFoundHandler()})
	checkLines(t, err)
	if text, err := cfg.YAML(); err != nil || strings.Contains(string(text), "handlers") {
		t.Errorf("got %v\n%s", err, text)
	}
}

func TestHandlersAreNoKeyOfTheFile(t *testing.T) {
	path := mustFile(t, "proxy: {handlers: {hello: x}}")
	_, err := config.Read(path, nil, nil)
	checkLines(t, err, "configuration file "+path+`: unknown key "proxy.handlers.hello"`)
}
