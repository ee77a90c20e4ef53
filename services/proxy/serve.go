package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"rollcall/services/connlimit"
	"rollcall/services/proxy/clientconn"
)

const (
	finishTimeout = 6 * time.Second // for requests in flight, after the last connection was accepted
	cutTimeout    = time.Second     // for requests to end after they were cut off
)

// Serve accepts connections of clients on l until ctx ends, and closes l. It then stops in these steps:
//
//  1. For Config.Linger it goes on, and closes each connection after its next response.
//  2. It stops listening, and accepts the connections that wait in the kernel's queue.
//  3. It waits 6 s for requests in flight.
//  4. It cuts off what is left, including websockets.
//
// Run must not end before Serve. Serve must be called only once. It returns nil, or the error that prevented it from serving.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	errorLog, err := zap.NewStdLogAt(p.cfg.Log, zap.WarnLevel)
	if err != nil {
		return errors.Join(fmt.Errorf("proxy: log: %w", err), l.Close())
	}
	clients := clientconn.New(l, clientconn.Config{TLS: p.cfg.TLS, HandshakeTimeout: p.cfg.HeaderTimeout, Log: p.cfg.Log})
	p.clients.Store(clients)
	hs := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: p.cfg.HeaderTimeout,
		WriteTimeout:      2 * p.cfg.StallTimeout, // for responses that need no wait; the others set their own deadline
		IdleTimeout:       p.cfg.IdleTimeout,
		ErrorLog:          errorLog,

		DisableGeneralOptionsHandler: true, // it would read a body without clientconn.AmbiguousFraming
	}
	connlimit.Configure(hs, l, p.cfg.HeaderLimit)
	served := make(chan error, 1)
	go func() { served <- clients.Serve(hs) }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("proxy: serve: %w", err), hs.Close())
	case <-ctx.Done():
	}
	p.closing.Store(true)
	<-time.After(p.cfg.Linger) // clients learn that their connection closes before it does
	clients.Shut()
	<-served
	clients.Settle()
	p.finish(hs)
	return nil
}

// finish waits for the requests in flight, and cuts off those that take longer than finishTimeout.
func (p *Proxy) finish(hs *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), finishTimeout)
	defer cancel()
	if err := hs.Shutdown(ctx); err != nil {
		p.cfg.Log.Warn("proxy: requests were cut off", zap.Duration("after", finishTimeout), zap.Error(errors.Join(err, hs.Close())))
	}
	for _, s := range *p.services.Load() {
		s.cut()
	}
	ended := make(chan struct{})
	go func() {
		p.active.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(cutTimeout):
		p.cfg.Log.Warn("proxy: requests did not end when they were cut off")
	}
}
