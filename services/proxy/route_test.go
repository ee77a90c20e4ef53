package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"rollcall/events"
	"rollcall/services/proxy"
)

func TestRoutes(t *testing.T) {
	echo := func(service string) *events.Server {
		s := server("a", backend(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s", service, r.RequestURI)
		}))
		s.Service = service
		return s
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "handler "+r.RequestURI) })
	f := start(t, func(c *proxy.Config) {
		c.Handlers = map[string]http.Handler{"hello": handler}
		c.Routes = []proxy.Route{
			{Prefix: "/orders", Service: "billing"},
			{Prefix: "/orders/kept", Service: "billing", Path: "/orders/kept"},
			{Host: "shop.example.com", Service: "shop"},
			{Host: "shop.example.com", Prefix: "/cart", Service: "cart", Path: "/v2"},
			{Prefix: "/hello", Handler: "hello"},
		}
	}, echo("billing"), echo("shop"), echo("cart"), echo("data"))
	for _, row := range []struct{ name, host, path, want string }{
		{"a service by its name", "h", "/data/a/b?c=d", "data /a/b?c=d"},
		{"a service alone", "h", "/data", "301"},
		{"a service with a slash", "h", "/data/", "data /"},
		{"a prefix is removed", "h", "/orders/7", "billing /7"},
		{"a removed prefix alone", "h", "/orders", "301"},
		{"a kept prefix alone", "h", "/orders/kept", "billing /orders/kept"},
		{"a prefix matches whole segments", "h", "/orders7", "503"},
		{"the longer prefix precedes the shorter one", "h", "/orders/kept/7?q", "billing /orders/kept/7?q"},
		{"a host", "shop.example.com", "/data/x", "shop /data/x"},
		{"a host with a port, in another case", "Shop.Example.COM:8080", "/x", "shop /x"},
		{"a host and a prefix", "shop.example.com", "/cart/1", "cart /v2/1"},
		{"another host", "example.com", "/cart/1", "cart /1"},
		{"a handler gets the whole path", "h", "/hello/world?x=1", "handler /hello/world?x=1"},
		{"no service", "h", "/", "404"},
		{"an invalid service name", "h", "/Data/x", "404"},
		{"escapes are kept", "h", "/data/a%20b%3Fc?d=%2F", "data /a%20b%3Fc?d=%2F"},
		{"slashes are kept", "h", "/data//a//b/", "data //a//b/"},
		{"an empty query is kept", "h", "/data/a?", "data /a?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := f.raw("GET " + row.path + " HTTP/1.1\r\nHost: " + row.host + "\r\nConnection: close\r\n\r\n")
			_, body, _ := strings.Cut(got, "\r\n\r\n")
			if row.want == "301" {
				if !strings.HasPrefix(got, "HTTP/1.1 301 ") || !strings.Contains(got, "\r\nLocation: "+row.path+"/\r\n") {
					t.Errorf("got %q", got)
				}
			} else if row.want == "404" || row.want == "503" { // 404: there is no route; 503: the service has no servers
				if !strings.HasPrefix(got, "HTTP/1.1 "+row.want+" ") || !strings.Contains(body, `"status":`+row.want) {
					t.Errorf("got %q", got)
				}
			} else if body != row.want {
				t.Errorf("got %q, want %q", body, row.want)
			}
		})
	}
}

func TestParseRoute(t *testing.T) {
	label := strings.Repeat("h", 63)
	for text, want := range map[string]proxy.Route{
		"shop.example.com=shop":                {Host: "shop.example.com", Service: "shop"},
		"Shop.Example.COM=shop":                {Host: "shop.example.com", Service: "shop"},
		"localhost=shop":                       {Host: "localhost", Service: "shop"},
		"10.0.0.7=shop":                        {Host: "10.0.0.7", Service: "shop"},
		label + "." + label + "=shop":          {Host: label + "." + label, Service: "shop"},
		"/orders=billing":                      {Prefix: "/orders", Service: "billing"},
		"/orders/=billing/":                    {Prefix: "/orders", Service: "billing"},
		"/orders=billing/orders":               {Prefix: "/orders", Service: "billing", Path: "/orders"},
		"/orders/v1=billing/v2/o/":             {Prefix: "/orders/v1", Service: "billing", Path: "/v2/o"},
		"/=web":                                {Service: "web"},
		"shop.example.com/cart=cart":           {Host: "shop.example.com", Prefix: "/cart", Service: "cart"},
		"shop.example.com/=cart":               {Host: "shop.example.com", Service: "cart"},
		"/hello=handler:hello":                 {Prefix: "/hello", Handler: "hello"},
		"a.example/hello=handler:Hello_2.x":    {Host: "a.example", Prefix: "/hello", Handler: "Hello_2.x"},
		"/handler=handler":                     {Prefix: "/handler", Service: "handler"},
		"/~a/b-c_d/.well-known/..x/:@!,;(*)=s": {Prefix: "/~a/b-c_d/.well-known/..x/:@!,;(*)", Service: "s"},
	} {
		t.Run(text, func(t *testing.T) {
			if got, err := proxy.ParseRoute(text); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestParseRouteErrors(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"empty":                         {"", "want [HOST]"},
		"no target":                     {"/orders", "want [HOST]"},
		"an empty target":               {"/orders=", "want [HOST]"},
		"an empty host and prefix":      {"=web", "want [HOST]"},
		"a host with a port":            {"shop.example.com:80=shop", `"shop.example.com:80" is not a host name`},
		"a URL":                         {"http://shop.example.com=shop", `"http:" is not a host name`},
		"a pattern of hosts":            {"*.example.com=shop", `"*.example.com" is not a host name`},
		"a dot at the end":              {"example.com.=shop", `is not a host name`},
		"a dash at the end":             {"example-=shop", `is not a host name`},
		"a label of 64":                 {strings.Repeat("h", 64) + "=shop", `is not a host name`},
		"a host of 254":                 {strings.Repeat("h.", 126) + "hh=shop", `is not a host name`},
		"a host in IPv6":                {"[::1]/a=shop", `"[::1]" is not a host name`},
		"a host with a line break":      {"a\nb=shop", `is not a host name`},
		"two dots in the prefix":        {"/a/../b=shop", `"/a/../b" has an element ".."`},
		"two dots at the end":           {"/a/..=shop", `has an element ".."`},
		"one dot":                       {"/./a=shop", `has an element "."`},
		"two slashes":                   {"/a//b=shop", `has an element ""`},
		"two slashes at the beginning":  {"//a=shop", `has an element ""`},
		"two slashes at the end":        {"/a//=shop", `has an element ""`},
		"only slashes":                  {"//=shop", `has an element ""`},
		"a query":                       {"/a?b=shop", `"/a?b" is not a plain path`},
		"a fragment":                    {"/a#b=shop", `is not a plain path`},
		"an encoded slash":              {"/a%2Fb=shop", `is not a plain path`},
		"any escape":                    {"/a%20b=shop", `is not a plain path`},
		"a backslash":                   {`/a\b=shop`, `is not a plain path`},
		"a space":                       {"/a =shop", `is not a plain path`},
		"NUL":                           {"/a\x00=shop", `is not a plain path`},
		"not UTF-8":                     {"/a\xff=shop", `is not a plain path`},
		"a service in capitals":         {"/a=Shop", `"Shop" is not the name of a service`},
		"a service with a port":         {"/a=shop:80", `"shop:80" is not the name of a service`},
		"an address":                    {"/a=10.0.0.7:80", `is not the name of a service`},
		"no service":                    {"/a=/b", `"" is not the name of a service`},
		"a second equals sign":          {"/a=b=shop", `"b=shop" is not the name of a service`},
		"two dots in the path":          {"/a=shop/../b", `"/../b" has an element ".."`},
		"an escape in the path":         {"/a=shop/%2e%2e", `is not a plain path`},
		"a handler without a name":      {"/a=handler:", `"" is not the name of a handler`},
		"a handler with a path":         {"/a=handler:hello/b", `"hello/b" is not the name of a handler`},
		"two slashes after the service": {"/a=shop//", `has an element ""`},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := proxy.ParseRoute(row.text); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %+v, %v, want %s", got, err, row.want)
			}
		})
	}
}

func TestInvalidRoutes(t *testing.T) {
	for want, r := range map[string]proxy.Route{
		`"A" is not a host name`:               {Host: "A", Service: "x"},
		`"x" is not a path`:                    {Prefix: "x", Service: "x"},
		`"/x/" has an element ""`:              {Prefix: "/x/", Service: "x"},
		`want a service or a handler`:          {Prefix: "/x"},
		`route 1: want a service or a handler`: {Handler: "h", Service: "x"},
		`route 1: no handler "unknown"`:        {Handler: "unknown"},
	} {
		_, err := proxy.New(proxy.Config{Registry: newFakeRegistry(), Routes: []proxy.Route{r}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got error %v, want %q in it", r, err, want)
		}
	}
}

func TestConfigErrorNamesAllFields(t *testing.T) {
	_, err := proxy.New(proxy.Config{Timeouts: proxy.Timeouts{ConnectTimeout: -1}, HeaderLimit: 100, Retry: proxy.Retry{Attempts: 100}, Hash: proxy.HashKey{Source: "x"}})
	for _, want := range []string{"registry is nil", "timeout.connect -1ns", "headerlimit 100", "retry.attempts 100", "hash"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
}
