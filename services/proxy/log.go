package proxy

import (
	"errors"

	"go.uber.org/zap"
)

// logger logs the events of the proxy.
type logger struct{ *zap.Logger }

// failed logs a request that failed. It logs nothing if the client caused the failure or if the service has no server.
func (l logger) failed(x *call, status int, err error) {
	if isClients(err) || errors.Is(err, ErrNoServer) && len(x.attempts) == 0 {
		return
	}
	fields := []zap.Field{
		zap.String("service", x.service.name), zap.String("request", x.request.id), zap.Int("attempts", len(x.attempts)), zap.Int("status", status),
		zap.Error(err),
	}
	if x.endpoint != nil {
		s := x.endpoint.Server()
		fields = append(fields, zap.String("server", s.ID), zap.String("address", s.Addr))
	}
	l.Warn("proxy: request failed", fields...)
}

func (l logger) ejected(service, id string) {
	l.Warn("proxy: server ejected after repeated failures", zap.String("service", service), zap.String("server", id))
}
