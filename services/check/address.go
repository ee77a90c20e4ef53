package check

import (
	"fmt"
	"net"
	"strings"
)

// ListenAddress adds an error unless value is an address to listen on. An empty host means every address of the machine, and port 0 means
// any free port.
func (f *Fields) ListenAddress(field, value string) {
	f.That(IsAddress(value), field, "%q: want host:port", value)
}

// RemoteAddress adds an error unless value is an address to connect to.
func (f *Fields) RemoteAddress(field, value string) {
	host, port, _ := net.SplitHostPort(value)
	f.That(IsAddress(value) && host != "" && port != "0", field, "%q: want host:port", value)
}

// DifferentPorts adds an error if two listen addresses need the same port.
func (f *Fields) DifferentPorts(field, value, otherField, other string) {
	f.That(!collide(value, other), field, "%q: want another port than %s %q", value, otherField, other)
}

// IsAddress reports whether s has the form host:port. The port may be a name, such as http.
func IsAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || port == "" || strings.ContainsAny(host, "/ ") {
		return false
	}
	_, err = net.LookupPort("tcp", port)
	return err == nil
}

// collide reports whether two listen addresses need the same port. It compares the hosts as text and does not resolve host names.
func collide(a, b string) bool {
	hostA, portA, err := splitAddress(a)
	if err != nil {
		return false // another check reports the invalid address
	}
	hostB, portB, err := splitAddress(b)
	if err != nil || portA != portB || portA == 0 {
		return false
	}
	return isUnspecified(hostA) || isUnspecified(hostB) || strings.EqualFold(hostA, hostB)
}

func splitAddress(s string) (host string, port int, err error) {
	host, name, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("address: %w", err)
	}
	port, err = net.LookupPort("tcp", name)
	return host, port, err
}

func isUnspecified(host string) bool { return host == "" || net.ParseIP(host).IsUnspecified() }
