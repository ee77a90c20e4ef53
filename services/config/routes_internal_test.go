package config

import (
	"slices"
	"strings"
	"testing"

	"rollcall/services/proxy"
)

func TestRoutesWithSameHostAndPrefix(t *testing.T) {
	routes, err := parseRoutes([]string{
		"/a=one", "/A=one", "h/a=one", "h=one", "/a/b=one", // all different in host or prefix
		"/a/=two", "H/a=two", "h/=handler:two",
		"?",
	})
	got := strings.Split(err.Error(), "\n")
	want := []string{
		`proxy.routes "/a/=two": same host and prefix as "/a=one"`,
		`proxy.routes "H/a=two": same host and prefix as "h/a=one"`,
		`proxy.routes "h/=handler:two": same host and prefix as "h=one"`,
		`proxy.routes "?": want [HOST][/PREFIX]=SERVICE[/PATH] or [HOST][/PREFIX]=handler:NAME`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(routes) != 5 || routes[4] != (proxy.Route{Prefix: "/a/b", Service: "one"}) {
		t.Errorf("got %+v, want the first five", routes)
	}
}
