package demo

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"rollcall/services/config"
)

// portRange holds the addresses of the servers of one kind: address, and the addresses with the ports after it.
type portRange struct {
	flag, name string
	address    *string
	ports      int
}

// fallBack sets port 0 in each address whose flag was not given and whose ports another process or another server of the demo uses. It
// returns the addresses in use.
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

// all returns the addresses of the range. It returns nil if the proxy is off or the system chooses the ports.
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

// firstTaken returns the first address that is in the map own or that another process uses. It returns "" if there is none. It ignores
// other errors of net.Listen, because the server that listens on the address reports them.
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

// notice returns a text for the banner. It lists the default addresses that are in use, and contains the shell command that sets the
// environment variables by which client commands find this demo. If no address is in use, the text is empty.
func (d *demo) notice() string {
	if len(d.taken) == 0 {
		return ""
	}
	return fmt.Sprintf("In use, replaced by free ports: %s. For the commands below, set\n  export %s=%s %s=%s\n\n", strings.Join(d.taken, ", "),
		config.APIEnv, d.api.Addr(), config.Key{Path: "nsq.lookupd"}.Env(), d.lookupd.HTTPAddr())
}
