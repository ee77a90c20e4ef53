package proxy

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	forwarded      = "X-Forwarded-"
	forwardedFor   = "X-Forwarded-For"
	forwardedHost  = "X-Forwarded-Host"
	forwardedProto = "X-Forwarded-Proto"
)

// peerIP returns the IP address of the other end of the connection.
func peerIP(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// origin returns the IP address of the client, and whether the connection is from a trusted proxy. Without a trusted proxy, the client is
// the peer. Otherwise origin searches X-Forwarded-For from its end, and the client is the first address that is not trusted: the client
// itself may have made up the addresses to the left. If all addresses are trusted, the client is the leftmost address. An entry that is not
// an address ends the search, and the client is then the address to the right of the entry. The last two rules are those of the realip
// module of nginx.
func (p *Proxy) origin(r *http.Request) (client string, trusted bool) {
	client = peerIP(r)
	if len(p.cfg.Trusted) == 0 {
		return client, false
	}
	peer, err := netip.ParseAddr(client)
	if err != nil || !p.trusts(peer) {
		return client, false
	}
	for _, field := range slices.Backward(r.Header[forwardedFor]) {
		for field != "" {
			entry := field
			if i := strings.LastIndexByte(field, ','); i >= 0 {
				field, entry = field[:i], field[i+1:]
			} else {
				field = ""
			}
			if entry = strings.Trim(entry, " \t"); entry == "" {
				continue
			}
			addr, ok := parseForwarded(entry)
			if !ok {
				return client, true
			}
			if client = addr.String(); !p.trusts(addr) {
				return client, true
			}
		}
	}
	return client, true
}

func (p *Proxy) trusts(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(p.cfg.Trusted, func(of netip.Prefix) bool { return of.Contains(addr) })
}

// parseForwarded parses an address in X-Forwarded-For. The address may have a port, as Azure sends it, and an IPv6 address may have
// brackets.
func parseForwarded(entry string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(entry, "["), "]")); err == nil {
		return addr.Unmap(), true
	}
	addr, err := netip.ParseAddrPort(entry)
	return addr.Addr().Unmap(), err == nil
}

// keeps reports whether WriteHeader copies a field that it usually drops, because a trusted proxy sent the field. keeps returns false for
// X-Forwarded-For, and for X-Forwarded-Prefix if the proxy removes a prefix: writeForwarded extends these fields. keeps ignores the field
// Connection. Otherwise a client could list the X-Forwarded fields in Connection, and the proxy would remove them.
func (x *request) keeps(name string) bool {
	switch {
	case !x.trusted || name == forwardedFor || name == forwardedPrefix && x.prefix != "":
		return false
	case strings.HasPrefix(name, forwarded):
		return strings.IndexByte(name, '_') < 0
	}
	return name == "Forwarded" || name == "X-Real-Ip"
}

// writeForwarded writes the X-Forwarded fields that WriteHeader does not copy from the client's header.
func (x *request) writeForwarded(w *bufio.Writer) error {
	r := x.r
	put(w, forwardedFor, ": ")
	if x.trusted {
		for _, v := range r.Header[forwardedFor] {
			if !httpguts.ValidHeaderFieldValue(v) {
				return errTarget
			}
			if v != "" {
				put(w, v, ", ")
			}
		}
	}
	put(w, peerIP(r), "\r\n")
	if r.Host != "" && !x.kept(forwardedHost) {
		put(w, forwardedHost, ": ", r.Host, "\r\n")
	}
	if !x.kept(forwardedProto) {
		put(w, forwardedProto, ": ", x.proto(), "\r\n")
	}
	if x.prefix != "" {
		put(w, forwardedPrefix, ": ", x.outer, x.prefix, "\r\n")
	}
	return nil
}

// kept reports whether the request has the field from a trusted proxy, whose value the proxy keeps.
func (x *request) kept(name string) bool { return x.trusted && len(x.r.Header[name]) > 0 }

func (x *request) proto() string {
	if x.r.TLS != nil {
		return "https"
	}
	return "http"
}
