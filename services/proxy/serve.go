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
	finishTimeout = 6 * time.Second // how long Serve waits for requests in flight after it has accepted the last connection
	cutTimeout    = time.Second     // how long Serve waits for requests to end after it has cut them off
)

// Serve accepts connections of clients on l until ctx ends, and closes l. It then stops in these steps:
//
//  1. For Config.Linger it goes on to serve requests, and closes each connection after its next response.
//  2. It stops listening, and accepts the connections that wait in the kernel's queue.
//  3. It waits at most 6 s for requests in flight.
//  4. It cuts off the requests that are left, including websockets.
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
		WriteTimeout:      2 * p.cfg.StallTimeout, // for short responses within the first stall timeout; other responses set their own deadline
		IdleTimeout:       p.cfg.IdleTimeout,
		ErrorLog:          errorLog,

		DisableGeneralOptionsHandler: true, // the handler of net/http would read a body without a call of clientconn.AmbiguousFraming
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
	<-time.After(p.cfg.Linger) // meanwhile clients learn from responses that their connections will close
	clients.Shut()
	<-served
	clients.Settle()
	p.finish(hs)
	return nil
}

// finish waits for the requests in flight. It cuts off requests that take longer than finishTimeout, and websockets.
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
