package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"rollcall/services/proxy"
)

// TestPathsPassUnchanged expects that the server receives, byte for byte, the part of the path that follows the name of the service.
func TestPathsPassUnchanged(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f := start(t, nil, server("a", w.addr))
	for name, rest := range map[string]string{
		"an encoded slash":                  "/a%2Fb",
		"an encoded slash in lower case":    "/a%2fb",
		"an encoded slash at the end":       "/a%2f",
		"an encoded slash as a segment":     "/api/queues/%2F/q",
		"an encoded slash at the beginning": "/%2Fetc",
		"braces, an encoded plus, a plus":   "/{x}%2Bq+1",
		"characters that should be escaped": "/\"<>\\^`{|}",
		"bytes that are not ASCII":          "/caf\xc3\xa9/\xe4",
		"unnecessary escapes":               "/%7Ea%2d%41",
		"escapes in both cases":             "/%c3%A9%3a",
		"parameters":                        "/a;v=1;w/b",
		"a parameter that begins with dots": "/..;/x",
		"an encoded backslash":              "/a%5cb",
		"empty segments":                    "//a///b//",
		"a segment of one dot":              "/./a/.",
		"punctuation":                       "/!$&'()*+,=:@~-._",
		"an empty query":                    "/x?",
		"a query with special characters":   "/x?a={b}|%2B+^`%zz&;/../?\"<>\\#\xe4",
		"an escaped path and a query":       "/%7Bx%7D?{x}",
	} {
		for form, target := range map[string]string{"origin": "/data" + rest, "absolute": "http://h/data" + rest} {
			t.Run(name+", "+form+" form", func(t *testing.T) {
				g := f.of(t)
				if a := g.ask("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n"); a.status != 200 {
					t.Fatalf("got %d %s", a.status, a.body)
				}
				if got := w.last(t).line; got != "GET "+rest+" HTTP/1.1" {
					t.Errorf("got  %q\nwant %q", got, "GET "+rest+" HTTP/1.1")
				}
			})
		}
	}
	f.checkNoFailures()
}

func TestPathsOfHTTP2PassUnchanged(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	f, clients := startTLS(t, w.addr)
	fields := func(path string) [][2]string {
		return [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "h"}, {":path", path}}
	}
	for _, rest := range []string{"/a%2Fb", "/{x}%2Bq+1", "/caf\xc3\xa9|%7E?{y}"} {
		if status := f.h2(clients, fields("/data"+rest), "", true); status != "200" {
			t.Errorf("%s: got %s", rest, status)
			continue
		}
		if got := w.last(t).line; got != "GET "+rest+" HTTP/1.1" {
			t.Errorf("got %q, want the path %q", got, rest)
		}
	}
	for name, path := range map[string]string{
		"a space": "/data/a b", "a second request": "/data/a HTTP/1.1\r\nHost: h\r\n\r\n", "a fragment": "/data/a#b", "two dots": "/data/%2e./b",
	} {
		if status := f.h2(clients, fields(path), "", true); status == "200" || len(w.take()) != 0 {
			t.Errorf("%s: got %s, want an error and no request to the server", name, status)
		}
	}
}

// In each row of TestAmbiguousPaths, want is the path that the server must receive, or the status 418 of another handler. If want is "",
// the proxy must respond with status 400.
func TestAmbiguousPaths(t *testing.T) {
	t.Parallel()
	w := newStrictServer(t, nil)
	hidden := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	f := start(t, func(c *proxy.Config) {
		c.Handlers = map[string]http.Handler{"hidden": hidden}
		c.Routes = []proxy.Route{
			{Prefix: "/orders", Service: "data"},
			{Prefix: "/orders/private", Handler: "hidden"},
			{Prefix: "/invoices", Service: "data", Path: "/invoices"},
			{Host: "all.test", Service: "data"},
			{Host: "all.test", Prefix: "/private", Handler: "hidden"},
		}
	}, server("a", w.addr))
	for _, row := range []struct{ name, host, path, want string }{
		{"the hidden path", "h", "/orders/private/x", "418"},
		{"an encoded slash after the prefix", "h", "/orders/a%2Fb", "/a%2Fb"},
		{"a letter of the prefix is escaped", "h", "/%6frders/x", ""},
		{"the slash between the segments is encoded", "h", "/orders%2Fprivate/x", ""},
		{"the slash after the prefix is encoded", "h", "/orders/private%2Fx", ""},
		{"the slash before the longer prefix is encoded", "h", "/orders/%2Fprivate", ""},
		{"a letter of the longer prefix is escaped", "h", "/orders/%70rivate/x", ""},
		{"a letter of the longer prefix is escaped twice", "h", "/orders/%2570rivate/x", ""},
		{"a parameter after the longer prefix", "h", "/orders/private;v=1/x", ""},
		{"a backslash", "h", `/orders/private\x`, ""},
		{"two slashes", "h", "/orders//private/x", ""},
		{"a segment of one dot", "h", "/orders/./private/x", ""},
		{"two dots and a parameter", "h", "/orders/x/..;v=1/private/x", ""},
		{"two dots above the root of the service", "h", "/orders/..;/..;/private", ""},
		{"two dots and a parameter, without the longer prefix", "h", "/orders/x/..;v=1/public", "/x/..;v=1/public"},
		{"a route of a host", "all.test", "//private", ""},
		{"a route of a host, escaped", "all.test", "/%70rivate", ""},
		{"another path of the host", "all.test", "//%70ublic", "//%70ublic"},

		{"a route with a path", "h", "/invoices/7%2F8;v=1", "/invoices/7%2F8;v=1"},
		{"dots with a semicolon", "h", "/invoices/..;/admin", ""},
		{"dots with a parameter", "h", "/invoices/..;x=y/admin", ""},
		{"dots before an encoded semicolon", "h", "/invoices/..%3bx/admin", ""},
		{"escaped dots with a semicolon", "h", "/invoices/%2e%2E;/admin", ""},
		{"one escaped dot", "h", "/invoices/.%2e/admin", ""},
		{"dots and a backslash", "h", `/invoices/..\admin`, ""},
		{"dots and an encoded backslash", "h", "/invoices/..%5cadmin", ""},
		{"dots after an encoded backslash", "h", "/invoices/x%5C..%5c..%5Cadmin", ""},
		{"dots that are escaped twice", "h", "/invoices/%252e%252e/admin", ""},
		{"dots and a slash that is escaped twice", "h", "/invoices/..%252fadmin", ""},
		{"dots in two bytes each, escaped", "h", "/invoices/%c0%ae%C0%AE/admin", ""},
		{"a slash in two bytes, escaped", "h", "/invoices/..%c0%afadmin", ""},
		{"dots in two bytes each, not escaped", "h", "/invoices/\xc0\xae\xc0\xae/admin", ""},
		{"a letter of the longer prefix in two bytes, not escaped", "h", "/orders/privat\xc1\xa5/x", ""},
		{"dots in three bytes each, escaped", "h", "/invoices/%e0%80%ae%e0%80%ae/admin", ""},
		{"dots as %u002e", "h", "/invoices/%25u002e%25u002e/admin", ""},
		{"dots and a space", "h", "/invoices/..%20/admin", ""},
		{"segments with dots that are not two dots", "h", "/invoices/...;/..x/x../%2e", "/invoices/...;/..x/x../%2e"},
		{"two dots in a route to the root of a service", "h", "/data/..%5c..;/%252e%252e", "/..%5c..;/%252e%252e"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := f.of(t)
			a := g.ask("GET " + row.path + " HTTP/1.1\r\nHost: " + row.host + "\r\n\r\n")
			got := w.take()
			switch {
			case row.want == "":
				if a.status != 400 || len(got) != 0 {
					t.Errorf("got %d, and the server got %.100q, want status 400 and no request", a.status, got)
				}
			case row.want == "418":
				if a.status != 418 {
					t.Errorf("got %d", a.status)
				}
			case len(got) != 1 || got[0].line != "GET "+row.want+" HTTP/1.1":
				t.Errorf("got %d, and the server got %.100q, want the path %q", a.status, got, row.want)
			}
		})
	}
}

func TestSpellingsOfRouteHost(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *proxy.Config) {
		c.Routes = []proxy.Route{{Host: "shop.example.com", Service: "data"}, {Host: "10.0.0.7", Service: "data"}}
	}, server("a", namedBackend(t, "shop")))
	for host, want := range map[string]string{
		"shop.example.com": "shop", "shop.example.com.": "shop", "Shop.Example.COM.": "shop", "shop.example.com.:8080": "shop",
		"SHOP.example.com:443": "shop", "10.0.0.7:80": "shop",
		"shop.example.com..": "", "example.com.": "", ".": "",
	} {
		for _, request := range []string{"GET /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n", "GET http://" + host + "/x HTTP/1.1\r\nHost: h\r\n\r\n"} {
			if a := f.ask(request); (a.body == "shop") != (want == "shop") {
				t.Errorf("%s: got %d %s", strings.ReplaceAll(request, "\r\n", " "), a.status, a.body)
			}
		}
	}
}
