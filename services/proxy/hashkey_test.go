package proxy_test

import (
	"testing"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/proxy"
)

// TestHashKeyIsRawValue expects that the proxy hashes the key that nginx would hash. The test checks this by the server that gets the
// request. If key is "" in a row, the proxy must find no key in the request.
func TestHashKeyIsRawValue(t *testing.T) {
	t.Parallel()
	const members = 40
	to := namedBackend(t, "ok")
	var servers []*events.Server
	for _, id := range ids(members) {
		servers = append(servers, server(id, to))
	}
	for _, row := range []struct{ source, target, lines, key string }{
		{"query:key", "/data/x?key=7&f=a;b", "", "7"},
		{"query:key", "/data/x?key=7&f=100%", "", "7"},
		{"query:key", "/data/x?f=%zz&key=7", "", "7"},
		{"query:key", "/data/x?;&=&&key=7", "", "7"},
		{"query:key", "/data/x?key=a;b%zz", "", "a;b%zz"},
		{"query:key", "/data/x?key=a%20b", "", "a%20b"},
		{"query:key", "/data/x?key=7&key=8", "", "7"},
		{"query:key", "/data/x?monkey=1&key=caf\xc3\xa9", "", "caf\xc3\xa9"},
		{"query:key", "/data/x?k%65y=7", "", "7"},
		{"query:user id", "/data/x?user+id=7&a;b", "", "7"},
		{"query:key", "/data/x?KEY=7", "", ""},
		{"query:key", "/data/x?key=", "", ""},
		{"query:key", "/data/x?key", "", ""},
		{"query:key", "/data/x", "", ""},
		{"cookie:sid", "/data/x", "Cookie: sid=\"a b\"; x=y\r\n", `"a b"`},
		{"cookie:sid", "/data/x", "Cookie: theme={\"a\":[1,2]}; sid={\"user\":\"jane\",\"n\":1}\r\n", `{"user":"jane","n":1}`},
		{"cookie:sid", "/data/x", "Cookie: sid=caf\xc3\xa9\\\r\n", "caf\xc3\xa9\\"},
		{"cookie:sid", "/data/x", "Cookie: a=1\r\nCookie: b=2; sid=7\r\n", "7"},
		{"cookie:sid", "/data/x", "Cookie: a b=c;; =; xsid=8;sid = 7 ;z\r\n", "7"},
		{"cookie:sid", "/data/x", "Cookie: sid=a=b==\r\n", "a=b=="},
		{"cookie:sid", "/data/x", "Cookie: SID=7; xsid=7\r\n", ""},
		{"cookie:sid", "/data/x", "Cookie: sid=\r\n", ""},
		{"header:x-user", "/data/x", "X-User: jane\r\n", "jane"},
		{"header:X-User", "/data/x", "X-User:\r\nX-User: \"caf\xc3\xa9\"\r\n", "\"caf\xc3\xa9\""},
		{"header:host", "/data/x", "", "h"},
		{"header:X-User", "/data/x", "", ""},
	} {
		t.Run(row.source+" "+row.target+" "+row.lines, func(t *testing.T) {
			source, err := proxy.ParseHashKey(row.source)
			if err != nil {
				t.Fatal(err)
			}
			f := start(t, func(c *proxy.Config) { c.Balancer.Policy, c.Hash = balancer.Hash, source }, servers...)
			a := f.ask("GET " + row.target + " HTTP/1.1\r\nHost: h\r\n" + row.lines + "\r\n")
			keyless := f.metric("rollcall_proxy_requests_without_key_total", "service=data")
			if row.key == "" {
				if keyless != 1 {
					t.Errorf("%v requests without a key, want 1", keyless)
				}
				return
			}
			want, err := f.proxy.Pick(t.Context(), "data", balancer.Hash, row.key)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.header.Get("X-Served-By"); got != want.ID || keyless != 0 {
				t.Errorf("sent to %s, want %s, the server of key %q; %v requests without a key, want 0", got, want.ID, row.key, keyless)
			}
		})
	}
}
