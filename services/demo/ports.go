package demo

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"rollcall/services/config"
)

// portRange is the addresses of one kind of server: the one that the flag gives, and those on the ports after it.
type portRange struct {
	flag, name string
	address    *string
	ports      int
}

// fallBack replaces each address that no flag gave, and that another process or another server of the demo has, by any free
// port, and says which.
func (c *Config) fallBack() (taken []string) {
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
	own := make(map[string]bool)
	for _, r := range ranges {
		if c.Explicit(r.flag) {
			r.addTo(own)
		}
	}
	for _, r := range ranges {
		if c.Explicit(r.flag) {
			continue
		}
		if addr := r.firstTaken(own); addr != "" {
			taken = append(taken, fmt.Sprintf("%s (%s)", addr, r.name))
			host, _, _ := net.SplitHostPort(*r.address)
			*r.address = net.JoinHostPort(host, "0")
		}
		r.addTo(own)
	}
	return taken
}

// all are the addresses, but those that the system chooses.
func (r portRange) all() (addrs []string) {
	if *r.address == config.Off || strings.HasSuffix(*r.address, ":0") {
		return nil
	}
	for i := range r.ports {
		addrs = append(addrs, portAfter(*r.address, i))
	}
	return addrs
}

func (r portRange) addTo(own map[string]bool) {
	for _, addr := range r.all() {
		own[addr] = true
	}
}

// firstTaken is empty if nobody has one of the ports. Another problem with an address is told by who listens.
func (r portRange) firstTaken(own map[string]bool) string {
	for _, addr := range r.all() {
		if own[addr] {
			return addr
		}
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
	return fmt.Sprintf("In use already, so on free ports here: %s. Commands find them with\n  export %s=%s %s=%s\n\n", strings.Join(d.taken, ", "),
		config.APIEnv, d.api.Addr(), config.Key{Path: "nsq.lookupd"}.Env(), d.lookupd.HTTPAddr())
}
