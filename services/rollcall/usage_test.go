package main

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	names := []string{""}
	for _, cmd := range newRoot(nil, nil).Commands() {
		names = append(names, cmd.Name())
	}
	if len(names) != 14 {
		t.Errorf("got verbs %q, want 13", names[1:])
	}
	for _, name := range names {
		t.Run("rollcall "+name, func(t *testing.T) {
			got := call(t, append(strings.Fields(name), "--help")...)
			if got.code != 0 || got.stderr != "" {
				t.Errorf("got %d and %q", got.code, got.stderr)
			}
			golden(t, strings.TrimSuffix("help-"+name, "-")+".txt", got.stdout)
		})
	}
	t.Run("no verb is a call for help", func(t *testing.T) {
		got := call(t)
		if got.code != 0 {
			t.Errorf("got %d", got.code)
		}
		golden(t, "help.txt", got.stdout)
	})
}

func TestUsageErrorsExitWith2(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	for _, row := range []struct {
		args string
		want string // lines of the error
	}{
		{"lss", `unknown command "lss", did you mean "ls"?`},
		{"apiservr", `unknown command "apiservr", did you mean "apiserver"?`},
		{"frobnicate", `unknown command "frobnicate"; see rollcall --help`},
		{"--nope", `unknown flag: --nope; see rollcall --help`},
		{"ls --nope", `unknown flag: --nope; see rollcall ls --help`},
		{"ls data web", `arguments ["data" "web"]: want at most one SERVICE`},
		{"ls data --service web", `SERVICE is "data" and --service "web": want one of them`},
		{"services all", `arguments ["all"]: want none`},
		{"services -o xml", `--output "xml": want text or json`},
		{"pick", `arguments []: want SERVICE`},
		{"pick data -o xml", `--output "xml": want text or json`},
		{"status api-1", `arguments ["api-1"]: want none`},
		{"status -o xml", `--output "xml": want text or json`},
		{"ls -o yaml", `--output "yaml": want text, json, name or addr`},
		{"ls --api ftp://h", `--api: apiserver: address of the API "ftp://h": want host:port or http://host:port`},
		{"ls --meta rack", `invalid argument "rack" for "--meta" flag: rack must be formatted as key=value; see rollcall ls --help`},
		{"get", `arguments []: want SERVICE/ID`},
		{"get data", `"data": want SERVICE/ID`},
		{"get /blue", `"/blue": want SERVICE/ID`},
		{"get data/", `"data/": want SERVICE/ID`},
		{"get data/blue --output xml", `--output "xml": want text or json`},
		{"healthcheck a b", `arguments ["a" "b"]: want at most one URL`},
		{"healthcheck http://h:x", `parse "http://h:x": invalid port ":x" after host`},
		{"version 1", `arguments ["1"]: want none`},
		{"watch -o xml", `--output "xml": want text or json`},
		{"watch --nsq.events a/b", `nsq.events "a/b": want 1 to 64 of the characters a-z, A-Z, 0-9, dot, dash and underscore`},
		{"config -c " + missing, "configuration file " + missing + ": open " + missing + ": no such file or directory"},
		{"config --registry.ttl 10 --log.level loud", `registry.ttl: "10": want a number with its unit, such as 10s or 250ms` + "\n" +
			`log.level "loud": want debug, info, warn or error`},
		{"config --registry.maxservers many", `invalid argument "many" for "--registry.maxservers" flag: strconv.ParseInt: parsing "many": invalid syntax; see rollcall config --help`},
		{"apiserver --api.listen 4180", `api.listen "4180": want host:port`},
		{"apiserver --proxy.routes /a=handler:a", `proxy.routes: no handler "a" in this program`},
		{"demo --proxy on", `--proxy "on": want host:port or off`},
		{"apiserver --nsq.tls.enabled --nsq.tls.ca " + missing, "nsq.tls.ca: open " + missing + ": no such file or directory"},
		{"dataserver --dataserver.advertise data-1:9001", `dataserver.advertise "data-1:9001": want an IP address and a port`},
		{"dataserver --dataserver.interval 50ms --dataserver.ttl 1s", `dataserver: Interval: 50ms is below 100ms`},
		{"demo --servers -1 --log.level loud", "--servers -1: want 0 to 1000\n" + `log.level "loud": want debug, info, warn or error`},
	} {
		t.Run(row.args, func(t *testing.T) {
			got := call(t, strings.Fields(row.args)...)
			want := "rollcall: " + strings.ReplaceAll(row.want, "\n", "\nrollcall: ") + "\n"
			if got.code != 2 || got.stdout != "" || got.stderr != want {
				t.Errorf("got %d, %q and\n%swant 2 and\n%s", got.code, got.stdout, got.stderr, want)
			}
		})
	}
}

func TestUnknownVariableIsAUsageError(t *testing.T) {
	t.Setenv("ROLLCALL_NSQ_LOOKUP", "127.0.0.1:1")
	for _, verb := range []string{"apiserver", "dataserver", "config", "watch"} {
		want := result{2, "", "rollcall: environment: unknown variable ROLLCALL_NSQ_LOOKUP, did you mean ROLLCALL_NSQ_LOOKUPD?\n"}
		if got := call(t, verb); got != want {
			t.Errorf("%s: got %+v, want %+v", verb, got, want)
		}
	}
}

func TestPortInUseIsNoUsageError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, args := range []string{
		"apiserver --nsq.nsqd 127.0.0.1:1 --proxy.listen 127.0.0.1:0 --api.listen ",
		"dataserver --nsq.nsqd 127.0.0.1:1 --dataserver.listen ",
		"demo --lookupd-tcp 127.0.0.1:0 --nsqd-tcp 127.0.0.1:0 --api 127.0.0.1:0 --proxy 127.0.0.1:0 --dataserver 127.0.0.1:0 --lookupd ",
	} {
		t.Run(args, func(t *testing.T) {
			got := call(t, strings.Fields(args+taken.Addr().String())...)
			if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, taken.Addr().String()) || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("got %+v, want 1 and a line that names %s", got, taken.Addr())
			}
		})
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version", "-v"} {
		got := call(t, arg)
		if got.code != 0 || got.stderr != "" || !regexp.MustCompile(`^rollcall \S+ go\d\S+\n$`).MatchString(got.stdout) {
			t.Errorf("%s: got %+v", arg, got)
		}
	}
}

func TestConfigOutputIsAValidFile(t *testing.T) {
	t.Setenv("ROLLCALL_NSQ_AUTH", "hush")
	t.Setenv("ROLLCALL_REGISTRY_ALLOW", "10.0.0.0/8,192.168.0.0/16")
	got := call(t, "config", "--id", "api-1", "--dataserver.meta", "rack=r7")
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("got %+v", got)
	}
	golden(t, "config.yaml", got.stdout)
	if again := call(t, "config", "-c", filepath.Join("testdata", "config.yaml")); again != got {
		t.Errorf("got %+v of what it printed itself", again)
	}
}
