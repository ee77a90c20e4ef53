package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"rollcall/services/config"
	"rollcall/services/dial"
	"rollcall/services/proxy"
)

// newProxy starts nothing. The proxy balances for the API too, if it does not listen.
func newProxy(cfg config.Config, roll *roll, metrics prometheus.Registerer, log *zap.Logger) (*proxy.Proxy, error) {
	p, err := cfg.Proxy.Component()
	if err != nil {
		return nil, err
	}
	p.Registry, p.Metrics = roll.registry, metrics
	p.Dial = dial.New(roll.permit.Check, proxy.KeepAlive)
	// One line for each request that fails would be a flood of its own while a server does.
	p.Log = log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core { return zapcore.NewSamplerWithOptions(core, time.Second, 10, 100) }))
	return proxy.New(p)
}
