package app

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"rollcall/services/balancer"
	"rollcall/services/dial"
	"rollcall/services/proxy"
)

// newProxy starts nothing. The proxy balances for the API too, if it does not listen.
func newProxy(cfg Config, roll *roll, metrics prometheus.Registerer, log *zap.Logger) (*proxy.Proxy, error) {
	x := cfg.Proxy
	routes, wrong := parseRoutes(x.Routes)
	if err := wrong.join(); err != nil {
		return nil, err
	}
	hash, err := proxy.ParseHashKey(x.Hash)
	if err != nil {
		return nil, err
	}
	policies := make(map[string]balancer.Policy, len(x.Policies))
	for service, policy := range x.Policies {
		policies[service] = balancer.Policy(policy)
	}
	trusted, err := x.trusted()
	if err != nil {
		return nil, err
	}
	tls, err := x.TLS.config()
	if err != nil {
		return nil, err
	}
	return proxy.New(proxy.Config{
		Registry: roll.registry,
		Routes:   routes,
		Handlers: x.Handlers,
		Trusted:  trusted,

		NoRewrite: !x.Rewrite,

		Balancer: balancer.Config{
			Policy:    balancer.Policy(x.Policy),
			Zone:      x.Zone,
			SlowStart: orNone(x.SlowStart),
			Panic:     orNone(x.Panic),
			Eject: balancer.Ejection{
				After: orNone(x.Eject.After), For: x.Eject.For, Longest: x.Eject.Longest, Percent: max(1, x.Eject.Percent),
			},
		},
		Policies:        policies,
		Hash:            hash,
		TLS:             tls,
		Dial:            dial.New(roll.permit.Check, proxy.KeepAlive),
		ConnectTimeout:  x.Timeout.Connect,
		ResponseTimeout: x.Timeout.Response,
		HeaderTimeout:   x.Timeout.Header,
		IdleTimeout:     x.Timeout.Idle,
		StallTimeout:    x.Timeout.Stall,
		HeaderLimit:     x.HeaderLimit,
		Drain:           orNone(x.Drain),
		Retries:         orNone(x.Retry.Attempts),
		RetryBudget:     proxy.RetryBudget{Percent: orNone(x.Retry.Percent), PerSecond: orNone(x.Retry.PerSecond)},
		Metrics:         metrics,
		// One line for each request that fails would be a flood of its own while a server does.
		Log: log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(core, time.Second, 10, 100) })),
	})
}

// orNone says none where the configuration says 0, which is the default elsewhere.
func orNone[T int | time.Duration](n T) T { return cmp.Or(n, -1) }
