package registry

import "strings"

// via is the number of an nsqd through which heartbeats came: see vias.
type via uint16

// unknownVia is the number of no nsqd. Its address is empty.
const unknownVia via = 0

// vias numbers the addresses of the nsqd through which heartbeats came. A record has the numbers of several nsqd. They take less memory than
// addresses, and the garbage collector does not follow them. Numbers are not used again, so after 65 535 addresses, all further ones get
// the number unknownVia.
type vias struct {
	addrs   []string // by number
	numbers map[string]via
}

func newVias() vias { return vias{addrs: []string{""}, numbers: map[string]via{"": unknownVia}} }

// number returns the number of an address. It copies a new address.
func (v *vias) number(addr string) via {
	n, ok := v.numbers[addr]
	if !ok && len(v.addrs) <= int(^via(0)) {
		n = via(len(v.addrs))
		addr = strings.Clone(addr)
		v.addrs = append(v.addrs, addr)
		v.numbers[addr] = n
	}
	return n
}

func (v *vias) addr(n via) string { return v.addrs[n] }
