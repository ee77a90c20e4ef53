package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"rollcall/services/dataserver"
)

// NewDataServer is the sample data server as the configuration describes it. It starts nothing.
func NewDataServer(cfg Config, log *zap.Logger) (*dataserver.Server, error) {
	cluster, err := cfg.NSQ.Cluster()
	if err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	d := cfg.DataServer
	return dataserver.NewServer(dataserver.ServerConfig{
		Listen: d.Listen,
		OnListen: func(listen, advertised string) {
			log.Info("data server listens", zap.String("address", listen), zap.String("advertised", advertised), zap.String("service", d.Service))
		},
		Gatherer: metrics,
		Agent: dataserver.Config{
			Service: d.Service,
			ID:      d.ID,
			Addr:    d.Advertise,
			Description: dataserver.Description{
				Weight:  d.Weight,
				Drained: d.Weight == 0,
				Zone:    d.Zone,
				Version: d.Version,
				Tags:    d.Tags,
				Meta:    d.Meta,
			},
			Interval: d.Interval,
			TTL:      d.TTL,
			NSQ:      cluster,
			Topic:    cfg.NSQ.Topic,
			Metrics:  metrics,
			OnError:  func(err error) { log.Warn("heartbeat not published; the next one follows", zap.Error(err)) },
		},
	})
}
