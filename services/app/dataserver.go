package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"rollcall/pipeline/outage"
	"rollcall/services/config"
	"rollcall/services/dataserver"
)

// NewDataServer returns the sample data server with its metrics and log. Call Run to start it.
func NewDataServer(cfg config.Config, log *zap.Logger) (*dataserver.Server, error) {
	cluster, err := cfg.NSQ.Cluster()
	if err != nil {
		return nil, err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	d := cfg.DataServer
	onError, onRecovery := logHeartbeats(log)
	return dataserver.NewServer(dataserver.ServerConfig{
		Listen: d.Listen,
		OnListen: func(listen, advertised string) {
			log.Info("data server is listening", zap.String("address", listen), zap.String("advertised", advertised), zap.String("service", d.Service))
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

			OnError:    onError,
			OnRecovery: onRecovery,
		},
	})
}

// logHeartbeats returns functions that log the first failed heartbeat, at most one failed heartbeat per minute after it, and the recovery.
func logHeartbeats(log *zap.Logger) (onError func(error), onRecovery func()) {
	failing := new(outage.Log)
	onError = func(err error) {
		if failing.Failed(time.Now(), err) {
			log.Warn("heartbeats are not published; this is logged once a minute", zap.Error(err))
		}
	}
	onRecovery = func() {
		since, _ := failing.Succeeded()
		log.Info("heartbeats are published again", zap.Duration("after", time.Since(since)))
	}
	return onError, onRecovery
}
