package config

import (
	"cmp"
	"errors"
	"time"

	"rollcall/services/balancer"
	"rollcall/services/proxy"
)

// ProxyConfig returns the configuration of the proxy without Registry, Dial, Metrics and Log. It reads the files of proxy.tls.
func (x *Proxy) ProxyConfig() (proxy.Config, error) {
	routes, routesErr := parseRoutes(x.Routes)
	hash, hashErr := proxy.ParseHashKey(x.Hash)
	trusted, trustedErr := parsePrefixes("proxy.trusted", x.Trusted)
	tls, tlsErr := x.TLS.config()
	if err := errors.Join(routesErr, hashErr, trustedErr, tlsErr); err != nil {
		return proxy.Config{}, err
	}
	return proxy.Config{
		Routes:    routes,
		Handlers:  x.Handlers,
		Trusted:   trusted,
		NoRewrite: !x.Rewrite,
		Balancer: balancer.Config{
			Policy:    balancer.Policy(x.Policy),
			Zone:      x.Zone,
			SlowStart: disabledIfZero(x.SlowStart),
			Panic:     disabledIfZero(x.Panic),
			Eject: balancer.Ejection{
				After: disabledIfZero(x.Eject.After), For: x.Eject.For, Longest: x.Eject.Longest, Percent: max(1, x.Eject.Percent),
			},
		},
		Policies:    x.policies(),
		Hash:        hash,
		TLS:         tls,
		Timeouts:    x.Timeout,
		HeaderLimit: x.HeaderLimit,
		Drain:       disabledIfZero(x.Drain),
		Retry: proxy.Retry{
			Attempts: disabledIfZero(x.Retry.Attempts), Percent: disabledIfZero(x.Retry.Percent), PerSecond: disabledIfZero(x.Retry.PerSecond),
		},
	}, nil
}

func (x *Proxy) policies() map[string]balancer.Policy {
	policies := make(map[string]balancer.Policy, len(x.Policies))
	for service, policy := range x.Policies {
		policies[service] = balancer.Policy(policy)
	}
	return policies
}

// disabledIfZero maps 0, which turns a feature off in the configuration file, to -1, which turns it off in proxy.Config.
func disabledIfZero[T int | time.Duration](n T) T { return cmp.Or(n, -1) }
