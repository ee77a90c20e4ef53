package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCommandsInTextAndJSON(t *testing.T) {
	for _, row := range []struct{ args, path, answer, golden string }{
		{"services", "/v1/services", "services.json", "services.txt"},
		{"services -o json", "/v1/services", "services.json", "services-o.json"},
		{"pick data", "/v1/services/data/pick", "picked.json", "pick.txt"},
		{"pick data -o json", "/v1/services/data/pick", "picked.json", "pick.json"},
		{"status", "/v1/status", "status-answer.json", "status.txt"},
		{"status -o json", "/v1/status", "status-answer.json", "status.json"},
	} {
		t.Run(row.args, func(t *testing.T) {
			api := mustAPI(t, row.path, http.StatusOK, row.answer)
			got := call(t, append(strings.Fields(row.args), "--api", api.URL)...)
			if warned := strings.Contains(got.stderr, "holding"); got.code != 0 || got.stderr != "" && !warned {
				t.Errorf("got %+v", got)
			}
			golden(t, row.golden, got.stdout)
		})
	}
}

func TestRejectedQueries(t *testing.T) {
	api := mustAPI(t, "/", http.StatusServiceUnavailable, "problem.json")
	for _, verb := range []string{"services", "services --complete", "pick data", "status", "ls --complete"} {
		got := call(t, append(strings.Fields(verb), "--api", api.URL)...)
		if want := (result{1, "", "rollcall: apiserver: 404 Not Found: no such server\n"}); got != want {
			t.Errorf("%s: got %+v, want %+v", verb, got, want)
		}
	}
}

func TestPickFlags(t *testing.T) {
	var asked string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RequestURI()
		_, _ = w.Write([]byte(`{"addr":"10.0.0.7:8080"}`))
	}))
	t.Cleanup(api.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	got := call(t, "pick", "data", "--policy", "hash", "--key", "a b", "--complete", "--api", api.URL)
	if want := (result{0, "10.0.0.7:8080\n", ""}); got != want || asked != "/v1/services/data/pick?complete=true&key=a+b&policy=hash" {
		t.Errorf("got %+v of %s", got, asked)
	}
}

// The short formats of ls request only the members that they print.
func TestListInShortFormats(t *testing.T) {
	for format, row := range map[string]struct{ uri, want string }{
		"name": {"/v1/servers?fields=service%2Cid&service=data", "data/blue\ndata/a\\x1bb\n"},
		"addr": {"/v1/servers?fields=addr&service=data", "10.0.0.7:8080\n10.0.0.8:8080\n"},
	} {
		var asked string
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r.URL.RequestURI()
			_, _ = w.Write([]byte(`{"mode":"normal","complete":true,"servers":[
				{"service":"data","id":"blue","addr":"10.0.0.7:8080"},{"service":"data","id":"a\u001bb","addr":"10.0.0.8:8080"}]}`))
		}))
		if got, want := call(t, "ls", "data", "-o", format, "--api", api.URL), (result{0, row.want, ""}); got != want || asked != row.uri {
			t.Errorf("%s: got %+v of %s, want %+v of %s", format, got, asked, want, row.uri)
		}
		http.DefaultClient.CloseIdleConnections()
		api.Close()
	}
}

func TestStatusShowsIDConflict(t *testing.T) {
	for ready, want := range map[string]string{
		"true":  "normal: all is well\nid conflict: another has the id (ready here: yes)\n\n",
		"false": "normal: all is well\nid conflict: another has the id (ready here: no)\n\n",
	} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"mode":"normal","detail":"all is well","id_conflict":{"detail":"another has the id","ready":` + ready + `}}`))
		}))
		if got := call(t, "status", "--api", api.URL); got.code != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("ready %s: got %+v, want %q", ready, got, want)
		}
		http.DefaultClient.CloseIdleConnections()
		api.Close()
	}
}

// A command warns if a list may lack servers, because a script might take the list for complete.
func TestIncompleteListGetsAWarning(t *testing.T) {
	const warning = "rollcall: the list may lack servers, because the API server has not received heartbeats for long enough; see rollcall status\n"
	for _, verb := range []string{"ls", "ls data", "services"} {
		for complete, want := range map[string]string{"true": "", "false": warning} {
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"revision":1,"mode":"warming","complete":` + complete + `,"servers":[],"services":[]}`))
			}))
			got := call(t, append(strings.Fields(verb), "--api", api.URL)...)
			if got.code != 0 || got.stderr != want || !strings.HasPrefix(got.stdout, "SERVICE") {
				t.Errorf("%s, complete %s: got %+v, want %q", verb, complete, got, want)
			}
			http.DefaultClient.CloseIdleConnections()
			api.Close()
		}
	}
}

// hostile contains characters that a terminal must not get. The test puts it into every text of a response that a server can choose.
const hostile = "a\u202eb\u2066c\u200bd\ufeffe\u2028f\u0085g\U000e0041h\u00a0i\u001bj\u200fk\u2062l\ufe0fm\u3164n"

func TestCommandsEscapeHostileText(t *testing.T) {
	quoted := strings.NewReplacer("\x1b", `\u001b`).Replace(hostile)
	server := `{"service":"data","id":"` + quoted + `","addr":"10.0.0.7:80","zone":"` + quoted + `","version":"` + quoted + `","via":"` + quoted +
		`","tags":["` + quoted + `"],"meta":{"` + quoted + `":"` + quoted + `"}}`
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"complete":true,"servers":[` + server + `]}`
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1/servers/"):
			answer = `{"server":` + server + `,"summary":"` + quoted + `","heartbeats":[{"via":"` + quoted + `"}]}`
		case r.URL.Path == "/v1/status":
			answer = `{"id":"` + quoted + `","version":"` + quoted + `","detail":"` + quoted + `","nsqd":[{"address":"` + quoted + `","error":"` + quoted + `"}]}`
		case r.URL.Path != "/v1/servers":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			answer = `{"status":503,"title":"x","detail":"` + quoted + `"}`
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(api.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	const want = `a\u202eb\u2066c\u200bd\ufeffe\u2028f\u0085g\U000e0041h\u00a0i\x1bj\u200fk\u2062l\ufe0fm\u3164n`
	for _, verb := range []string{"ls", "get data/x", "status", "services"} {
		got := call(t, append(strings.Fields(verb), "--api", api.URL)...)
		text := got.stdout + got.stderr
		if !strings.Contains(text, want) {
			t.Errorf("%s: got %q, want it with %q", verb, text, want)
		}
		if strings.ContainsAny(text, strings.Map(onlyHidden, hostile)) {
			t.Errorf("%s: got %q, which has a hidden character", verb, text)
		}
	}
}

func onlyHidden(r rune) rune {
	if r >= 'a' && r <= 'n' {
		return -1
	}
	return r
}
