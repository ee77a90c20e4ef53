package app

import (
	"net"

	"rollcall/services/config"
	"rollcall/stages"
)

// permitOf permits the addresses that registry.allow allows, except the addresses of the process's own listeners.
func permitOf(c config.Registry, listeners ...net.Listener) (stages.Permit, error) {
	own, err := ownAddrs(listeners...)
	if err != nil {
		return stages.Permit{}, err
	}
	allow, err := c.Allowed()
	return stages.Permit{Own: own, Allow: allow}, err
}

func validateStage(c config.Registry, p stages.Permit) stages.Validate {
	return stages.Validate{Permit: p, Interval: c.Interval, TTL: c.TTL}
}
