package proxy

import (
	"errors"

	"go.uber.org/zap"
)

// logger is what the proxy says to its operator.
type logger struct{ *zap.Logger }

// failed tells of a request that a client got no good answer to, unless that is the client's own doing.
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
	l.Warn("proxy: server is ejected: it fails, and is not sent requests for a while", zap.String("service", service), zap.String("server", id))
}
