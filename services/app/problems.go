package app

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// problems collects everything that is wrong, so that a file is mended in one go.
type problems []error

func (p *problems) check(ok bool, format string, args ...any) {
	if !ok {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

func (p problems) join() error { return errors.Join(p...) }

// lease: two intervals, so that one lost heartbeat expires nobody.
func (p *problems) lease(section string, interval, ttl time.Duration) {
	p.check(interval > 0, "%s.interval %v: want more than 0", section, interval)
	p.check(ttl > interval, "%s.ttl %v: want more than the interval of %v", section, ttl, interval)
	p.check(ttl <= interval || ttl >= 2*interval, "%s.ttl %v: want at least two intervals of %v", section, ttl, interval)
}

// address is one to listen on: without a host it is every address of this machine, and 0 is any port.
func (p *problems) address(key, value string) {
	p.check(isAddress(value), "%s %q: want host:port", key, value)
}

// peer is an address to connect to.
func (p *problems) peer(key, value string) {
	host, port, _ := net.SplitHostPort(value)
	p.check(isAddress(value) && host != "" && port != "0", "%s %q: want host:port", key, value)
}

func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || port == "" || strings.ContainsAny(host, "/ ") {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

func (p *problems) topic(key, value string, most int) {
	p.check(len(value) <= most && validName.MatchString(value),
		"%s %q: want 1 to %d of the characters a-z, A-Z, 0-9, dot, dash and underscore", key, value, most)
}

func (p *problems) percent(key string, value int) {
	p.check(value >= 0 && value <= 100, "%s %d: want 0 to 100", key, value)
}

func (p *problems) positive(key string, value time.Duration) {
	p.check(value > 0, "%s %v: want more than 0", key, value)
}

func (p *problems) atLeast(key string, value, least time.Duration) {
	p.check(value >= least, "%s %v: want %v or more", key, value, least)
}

func (p *problems) addressOrOff(key, value string) {
	p.check(value == proxyOff || isAddress(value), "%s %q: want host:port or off", key, value)
}

// apart wants two listeners that do not take each other's port.
func (p *problems) apart(key, value, otherKey, other string) {
	p.check(!collide(value, other), "%s %q: want another port than %s %q", key, value, otherKey, other)
}

// collide is about addresses as they are written: a name is not resolved.
func collide(a, b string) bool {
	hostA, portA, err := splitAddress(a)
	if err != nil {
		return false // not an address, and told as such
	}
	hostB, portB, err := splitAddress(b)
	if err != nil || portA != portB || portA == 0 {
		return false
	}
	everyA, everyB := isEvery(hostA), isEvery(hostB)
	return everyA || everyB || strings.EqualFold(hostA, hostB)
}

func splitAddress(s string) (host string, port int, err error) {
	host, name, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("address: %w", err)
	}
	port, err = net.LookupPort("tcp", name)
	return host, port, err
}

// isEvery tells the host of a listener on every address.
func isEvery(host string) bool { return host == "" || net.ParseIP(host).IsUnspecified() }
