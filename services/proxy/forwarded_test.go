package proxy_test

import (
	"net/netip"
	"strings"
	"testing"

	"rollcall/events"
	"rollcall/services/balancer"
	"rollcall/services/proxy"
)

func prefixes(t testing.TB, cidrs ...string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

const ofBalancer = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.test\r\nX-Forwarded-Port: 443\r\n" +
	"Forwarded: for=192.0.2.7;proto=https\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-User: jane\r\nX-Forwarded-Access-Token: secret\r\nX-Forwarded-A_b: 1\r\n"

func TestForwardedFieldsOfTrustedProxy(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		trusted []string
		lines   string
		want    map[string]string // fields that the server must receive, by name; if a value is empty, the field must be absent
	}{
		"a trusted proxy": {[]string{"127.0.0.0/8"}, ofBalancer, map[string]string{
			"X-Forwarded-For": "192.0.2.7, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.test", "X-Forwarded-Port": "443",
			"Forwarded": "for=192.0.2.7;proto=https", "X-Real-IP": "192.0.2.7", "X-Forwarded-User": "jane", "X-Forwarded-Access-Token": "secret", "X-Forwarded-A_b": "",
		}},
		"address as CIDR": {[]string{"10.0.0.0/8", "127.0.0.1/32"}, "X-Forwarded-Proto: https\r\n", map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "h", "X-Forwarded-Port": "",
		}},
		"several X-Forwarded-For fields": {[]string{"127.0.0.0/8"}, "X-Forwarded-For: 192.0.2.7, 192.0.2.8\r\nX-Forwarded-For:\r\nX-Forwarded-For: 192.0.2.9\r\n", map[string]string{
			"X-Forwarded-For": "192.0.2.7, 192.0.2.8, 192.0.2.9, 127.0.0.1",
		}},
		"Connection lists the fields": {[]string{"127.0.0.0/8"}, "Connection: X-Forwarded-Proto, X-Forwarded-For\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.7\r\n", map[string]string{
			"X-Forwarded-For": "192.0.2.7, 127.0.0.1", "X-Forwarded-Proto": "https",
		}},
		"no trusted proxies": {nil, ofBalancer, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "h", "X-Forwarded-Port": "",
			"Forwarded": "", "X-Real-IP": "", "X-Forwarded-User": "", "X-Forwarded-Access-Token": "", "X-Forwarded-A_b": "",
		}},
		"another address is trusted": {[]string{"10.0.0.0/8", "::/0"}, ofBalancer, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "h", "X-Forwarded-Port": "",
			"Forwarded": "", "X-Real-IP": "", "X-Forwarded-User": "", "X-Forwarded-Access-Token": "", "X-Forwarded-A_b": "",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStrictServer(t, nil)
			f := start(t, func(c *proxy.Config) { c.Trusted = prefixes(t, row.trusted...) }, server("a", w.addr))
			if a := f.ask("GET /data/x HTTP/1.1\r\nHost: h\r\n" + row.lines + "\r\n"); a.status != 200 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			s := w.last(t)
			for field, want := range row.want {
				if got := s.fields(field); want == "" && len(got) != 0 || want != "" && (len(got) != 1 || got[0] != want) {
					t.Errorf("%s: got %q, want %q", field, got, want)
				}
			}
		})
	}
}

// TestClientBehindTrustedProxy checks which address the proxy regards as the address of the client. The balancer policy "hash" uses this
// address as its default key, so the chosen server shows which address the proxy used.
func TestClientBehindTrustedProxy(t *testing.T) {
	t.Parallel()
	const members = 40
	var servers []*events.Server
	for _, id := range ids(members) {
		servers = append(servers, server(id, "127.0.0.1:1"))
	}
	to := namedBackend(t, "ok")
	for _, s := range servers {
		s.Addr = to
	}
	f := start(t, func(c *proxy.Config) {
		c.Balancer.Policy = balancer.Hash
		c.Trusted = prefixes(t, "127.0.0.0/8", "10.0.0.0/8", "fd00::/8")
	}, servers...)
	for list, client := range map[string]string{
		"":                                           "127.0.0.1",
		"192.0.2.7":                                  "192.0.2.7",
		"198.51.100.1, 192.0.2.7":                    "192.0.2.7", // the client may have sent the first address, so the proxy must not trust it
		"198.51.100.1, 192.0.2.7,10.1.2.3":           "192.0.2.7",
		"192.0.2.7, fd00::7, 10.1.2.3 , ":            "192.0.2.7",
		"192.0.2.7:4711, 10.1.2.3":                   "192.0.2.7",
		"[2001:db8::7]:4711, 10.1.2.3":               "2001:db8::7",
		"2001:db8::7":                                "2001:db8::7",
		"::ffff:192.0.2.7, ::ffff:10.1.2.3":          "192.0.2.7",
		"198.51.100.1, unknown, 10.1.2.3":            "10.1.2.3",
		"10.1.2.4, 10.1.2.3":                         "10.1.2.4",
		"198.51.100.1\r\nX-Forwarded-For: 192.0.2.7": "192.0.2.7",
	} {
		want, err := f.proxy.Pick(t.Context(), "data", balancer.Hash, client)
		if err != nil {
			t.Fatal(err)
		}
		a := f.ask("GET /data/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: " + list + "\r\n\r\n")
		if got := a.header.Get("X-Served-By"); got != want.ID {
			t.Errorf("%q: the client's address is not %s", strings.ReplaceAll(list, "\r\n", " "), client)
		}
	}
	if n := f.metric("rollcall_proxy_requests_without_key_total"); n != 0 {
		t.Errorf("%v requests without a key, want 0", n)
	}
}
