package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"rollcall/services/proxy"
)

// prefixed starts a proxy with all kinds of routes, and a server. The server responds with the header lines that the last call of the
// function respond has set.
func prefixed(t *testing.T, change func(*proxy.Config)) (f *testProxy, w *strictServer, respond func(lines ...string)) {
	t.Helper()
	set := ""
	w = newStrictServer(t, func(seen) string { return "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + set + "\r\n" })
	f = start(t, func(c *proxy.Config) {
		c.Routes = []proxy.Route{
			{Prefix: "/orders/v1", Service: "data", Path: "/v2/o"},
			{Prefix: "/api/invoices", Service: "data", Path: "/invoices"},
			{Prefix: "/kept", Service: "data", Path: "/kept"},
			{Host: "shop.test", Service: "data"},
			{Host: "root.test", Service: "data", Path: "/v2"},
		}
		if change != nil {
			change(c)
		}
	}, server("a", w.addr))
	return f, w, func(lines ...string) {
		set = ""
		for _, line := range lines {
			set += strings.ReplaceAll(line, "SERVER", w.addr) + "\r\n"
		}
	}
}

func TestResponsesBelowRemovedPrefix(t *testing.T) {
	t.Parallel()
	f, w, respond := prefixed(t, nil)
	for _, row := range []struct{ path, field, value, want string }{
		{"/data/dir", "Location", "/dir/", "/data/dir/"},
		{"/data/dir", "Location", "/", "/data/"},
		{"/data/dir", "Location", "/?a=/b#c", "/data/?a=/b#c"},
		{"/data/dir", "Location", "/database/", "/data/database/"},
		{"/data/dir", "Location", "/data/dir/", "/data/dir/"}, // the server itself has added the prefix /data, so the proxy must not add it again
		{"/data/dir", "Location", "/data?q", "/data?q"},
		{"/data/dir", "Location", "dir/?a", "dir/?a"},
		{"/data/dir", "Location", "../x", "../x"},
		{"/data/dir", "Location", "?q", "?q"},
		{"/data/dir", "Location", "", ""},
		{"/data/dir", "Location", "http://SERVER/dir/", "/data/dir/"},
		{"/data/dir", "Location", "HTTP://SERVER", "/data/"},
		{"/data/dir", "Location", "http://SERVER?q", "/data/?q"},
		{"/data/dir", "Location", "//SERVER/dir/", "/data/dir/"},
		{"/data/dir", "Location", "http://SERVER/data/dir/", "/data/dir/"},
		{"/data/dir", "Location", "http://h.test/dir/", "http://h.test/data/dir/"},
		{"/data/dir", "Location", "https://H.test:443/dir/", "https://H.test:443/data/dir/"},
		{"/data/dir", "Location", "http://h.test/data/dir/", "http://h.test/data/dir/"},
		{"/data/dir", "Location", "//h.test/dir/", "//h.test/data/dir/"},
		{"/data/dir", "Location", "http://h.test:81/dir/", "http://h.test:81/dir/"},
		{"/data/dir", "Location", "https://login.test/dir/", "https://login.test/dir/"},
		{"/data/dir", "Location", "http://SERVER@evil.test/", "http://SERVER@evil.test/"},
		{"/data/dir", "Location", "ftp://h.test/dir/", "ftp://h.test/dir/"},
		{"/data/dir", "Content-Location", "/dir/index.html", "/data/dir/index.html"},
		{"/data/dir", "Content-Location", "index.html", "index.html"},
		{"/data/dir", "Refresh", "5; URL=/dir/", "5; URL=/data/dir/"},
		{"/data/dir", "Refresh", "5", "5"},
		{"/data/dir", "Link", "</a.css>", "</a.css>"},
		{"/data/dir", "Set-Cookie", "sid=/; Path=/; HttpOnly", "sid=/; Path=/data/; HttpOnly"},
		{"/data/dir", "Set-Cookie", "sid=a;path = /dir", "sid=a;path =/data/dir"},
		{"/data/dir", "Set-Cookie", "sid=a; Secure; PATH=/data", "sid=a; Secure; PATH=/data"},
		{"/data/dir", "Set-Cookie", "path=/; Domain=h.test", "path=/; Domain=h.test"},
		{"/data/dir", "Set-Cookie", "sid=a; Path", "sid=a; Path"},
		{"/data/dir", "Set-Cookie", "__Host-sid=a; Secure; Path=/", "__Host-sid=a; Secure; Path=/"},

		{"/orders/v1/7", "Location", "/v2/o/8?a", "/orders/v1/8?a"},
		{"/orders/v1/7", "Location", "/v2/o", "/orders/v1"},
		{"/orders/v1/7", "Location", "/v2/other", "/v2/other"},
		{"/orders/v1/7", "Location", "http://SERVER/v2/o/8", "/orders/v1/8"},
		{"/orders/v1/7", "Location", "http://SERVER/login", "http://SERVER/login"},
		{"/orders/v1/7", "Set-Cookie", "a=b; Path=/v2/o/", "a=b; Path=/orders/v1/"},
		{"/orders/v1/7", "Set-Cookie", "a=b; Path=/", "a=b; Path=/"},
		{"/api/invoices/7", "Location", "/invoices/8", "/api/invoices/8"},
		{"/api/invoices/7", "Location", "/api/invoices/8", "/api/invoices/8"},
		{"/kept/7", "Location", "/kept/8", "/kept/8"},
		{"/kept/7", "Location", "/8", "/8"},
		{"http://shop.test/7", "Location", "/8", "/8"},
		{"http://shop.test/7", "Set-Cookie", "a=b; Path=/", "a=b; Path=/"},
		{"http://root.test/7", "Location", "/v2/8", "/8"},
		{"http://root.test/7", "Location", "/v2", "/"},
		{"http://root.test/7", "Location", "/v2?a", "/?a"},
		{"http://root.test/7", "Location", "/v2//evil.test/8", "/.//evil.test/8"},
		{"http://root.test/7", "Location", `/v2/\evil.test/8`, `/./\evil.test/8`},
		{"http://root.test/7", "Set-Cookie", "a=b; Path=/v2", "a=b; Path=/"},
	} {
		respond(row.field + ": " + row.value)
		want := strings.ReplaceAll(row.want, "SERVER", w.addr)
		a := f.ask("GET " + row.path + " HTTP/1.1\r\nHost: h.test\r\n\r\n")
		if got := a.header.Get(row.field); got != want {
			t.Errorf("%s: %s: %s became %s, want %s", row.path, row.field, row.value, got, want)
		}
	}
	respond("Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; Path=/x")
	if got := f.get("/data/x").header["Set-Cookie"]; !slices.Equal(got, []string{"a=1; Path=/data/", "b=2; Path=/data/x"}) {
		t.Errorf("two cookies became %q", got)
	}
}

func TestForwardedPrefix(t *testing.T) {
	t.Parallel()
	ask := func(f *testProxy, w *strictServer, target, lines string) []string {
		f.ask("GET " + target + " HTTP/1.1\r\nHost: h.test\r\n" + lines + "\r\n")
		return w.last(t).fields("X-Forwarded-Prefix")
	}
	f, w, _ := prefixed(t, nil)
	for target, want := range map[string][]string{
		"/data/x": {"/data"}, "/api/invoices/7": {"/api"}, "/orders/v1/7": nil, "/kept/7": nil, "http://shop.test/x": nil,
	} {
		if got := ask(f, w, target, "X-Forwarded-Prefix: /forged\r\n"); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	f, w, respond := prefixed(t, func(c *proxy.Config) { c.Trusted = prefixes(t, "127.0.0.0/8") })
	for target, want := range map[string][]string{
		"/data/x": {"/outer/data"}, "/api/invoices/7": {"/outer/api"}, "/orders/v1/7": {"/outer/"}, "http://shop.test/x": {"/outer/"},
	} {
		if got := ask(f, w, target, "X-Forwarded-Prefix: /outer/\r\n"); !slices.Equal(got, want) {
			t.Errorf("%s behind a trusted proxy: got %q, want %q", target, got, want)
		}
	}
	const behind = "Host: h\r\nX-Forwarded-Prefix: /outer\r\nX-Forwarded-Host: h.test\r\n\r\n"
	for value, want := range map[string]string{
		"/dir/": "/data/dir/", "/outer/data/dir/": "/outer/data/dir/", "/outer/x": "/data/outer/x", "http://h.test/dir/": "http://h.test/data/dir/",
	} {
		respond("Location: " + value)
		if got := f.ask("GET /data/x HTTP/1.1\r\n" + behind).header.Get("Location"); got != want {
			t.Errorf("Location: %s became %s behind a trusted proxy, want %s", value, got, want)
		}
	}
	if got := f.ask("GET /data HTTP/1.1\r\n" + behind).header.Get("Location"); got != "/outer/data/" {
		t.Errorf("/data redirects to %s behind a trusted proxy", got)
	}
	for _, host := range []string{"//evil.test", `/\evil.test`} { // a trusted proxy may pass on an X-Forwarded-Prefix that its client sent
		got := f.ask("GET /data HTTP/1.1\r\nHost: h\r\nX-Forwarded-Prefix: " + host + "\r\n\r\n").header.Get("Location")
		if got != "/data/" {
			t.Errorf("X-Forwarded-Prefix %s: /data redirects to %s", host, got)
		}
	}
}

func TestRedirectOfPrefixWithoutSlash(t *testing.T) {
	t.Parallel()
	f, w, _ := prefixed(t, func(c *proxy.Config) { c.Routes = append(c.Routes, proxy.Route{Prefix: "/a/b", Service: "data"}) })
	for _, row := range []struct {
		request  string
		status   int
		location string // Location if the proxy itself redirects the request, otherwise ""
	}{
		{"GET /data HTTP/1.1\r\nHost: h\r\n\r\n", 301, "/data/"},
		{"HEAD /data?a=/b&c HTTP/1.1\r\nHost: h\r\n\r\n", 301, "/data/?a=/b&c"},
		{"GET /data? HTTP/1.1\r\nHost: h\r\n\r\n", 301, "/data/?"},
		{"GET http://h/a/b HTTP/1.1\r\nHost: h\r\n\r\n", 301, "/a/b/"},
		{"GET /data HTTP/1.0\r\n\r\n", 301, "/data/"},
		{"POST /data HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody", 308, "/data/"},
		{"PUT /a/b?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", 308, "/a/b/?q"},
		{"DELETE /data HTTP/1.1\r\nHost: h\r\n\r\n", 308, "/data/"},
		{"GET /nobody HTTP/1.1\r\nHost: h\r\n\r\n", 503, ""},
		{"GET /data HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 302, ""}, // the proxy does not redirect an upgrade; this is the response of the server
		{"GET /orders/v1 HTTP/1.1\r\nHost: h\r\n\r\n", 302, ""},
		{"GET /kept HTTP/1.1\r\nHost: h\r\n\r\n", 302, ""},
		{"GET http://shop.test HTTP/1.1\r\nHost: h\r\n\r\n", 302, ""},
	} {
		a := f.ask(row.request)
		if a.status != row.status || a.header.Get("Location") != row.location || a.header.Get("X-Request-Id") == "" {
			t.Errorf("%q: got %d %v, want %d %s", row.request, a.status, a.header, row.status, row.location)
		}
		if got := len(w.take()); (row.status == 302) != (got == 1) {
			t.Errorf("%q: the server got %d requests", row.request, got)
		}
	}
	if n := f.metric("rollcall_proxy_requests_total", "service=data", "code=308"); n != 3 {
		t.Errorf("%v requests counted as 308, want 3", n)
	}
	// A client that follows the redirect sends its body to the server.
	req, _ := http.NewRequest(http.MethodPost, f.url("/data?q"), strings.NewReader("body"))
	c := client(t)
	c.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if len(via) > 1 {
			return http.ErrUseLastResponse
		}
		return nil
	}
	do(t, c, req)
	if s := w.last(t); s.line != "POST /?q HTTP/1.1" || s.body != "body" {
		t.Errorf("the server got %q with the body %q", s.line, s.body)
	}
}

func TestNoRewrite(t *testing.T) {
	t.Parallel()
	f, w, respond := prefixed(t, func(c *proxy.Config) { c.NoRewrite = true })
	respond("Location: /dir/", "Content-Location: http://SERVER/", "Refresh: 0;url=/", "Set-Cookie: a=b; Path=/")
	a := f.ask("GET /data HTTP/1.1\r\nHost: h\r\n\r\n")
	for field, want := range map[string]string{
		"Location": "/dir/", "Content-Location": "http://" + w.addr + "/", "Refresh": "0;url=/", "Set-Cookie": "a=b; Path=/",
	} {
		if got := a.header.Get(field); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
	if s := w.last(t); s.line != "GET / HTTP/1.1" || len(s.fields("X-Forwarded-Prefix")) != 0 {
		t.Errorf("the server got\n%s", s.head)
	}
}
