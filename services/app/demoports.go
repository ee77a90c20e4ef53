package app

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// portRange is the addresses of one kind of server: the one that the flag gives, and those on the ports after it.
type portRange struct {
	flag, name string
	address    *string
	ports      int
}

// fallBack replaces each address that no flag gave, and that another process has, by any free port, and says which.
func (c *DemoConfig) fallBack() (taken []string) {
	if c.Explicit == nil {
		return nil
	}
	ranges := []portRange{
		{"api", "API", &c.API, 1},
		{"proxy", "proxy", &c.Proxy, 1},
		{"lookupd", "nsqlookupd", &c.LookupdHTTP, 1},
		{"lookupd-tcp", "nsqlookupd", &c.LookupdTCP, 1},
		{"nsqd-tcp", "nsqd", &c.NSQDTCP, 2 * c.NSQD},
		{"dataserver", "data servers", &c.DataServer, c.Servers},
	}
	for _, r := range ranges {
		if c.Explicit(r.flag) {
			continue
		}
		if addr := r.firstTaken(); addr != "" {
			taken = append(taken, fmt.Sprintf("%s (%s)", addr, r.name))
			host, _, _ := net.SplitHostPort(*r.address)
			*r.address = net.JoinHostPort(host, "0")
		}
	}
	return taken
}

// firstTaken is empty if no other process has one of the ports. Another problem with an address is told by who listens.
func (r portRange) firstTaken() string {
	if *r.address == proxyOff {
		return ""
	}
	for i := range r.ports {
		addr := portAfter(*r.address, i)
		l, err := net.Listen("tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return addr
		}
		if err == nil {
			_ = l.Close()
		}
	}
	return ""
}

// notice tells which ports are others than the usual ones, and how the commands find them.
func (d *demo) notice() string {
	if len(d.taken) == 0 {
		return ""
	}
	return fmt.Sprintf("In use by another process, so on free ports here: %s. Commands find them with\n  export %s=%s %s=%s\n\n", strings.Join(d.taken, ", "),
		APIEnv, d.api.Addr(), Key{Path: "nsq.lookupd"}.Env(), d.lookupd.HTTPAddr())
}
