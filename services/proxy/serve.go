package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"rollcall/services/connlimit"
)

const (
	// settleTimeout is how long clients that have connected may take to send a request once no more are taken.
	settleTimeout = time.Second
	// finishTimeout is how long requests under way have then before they are cut off.
	finishTimeout = 6 * time.Second
	// cutTimeout bounds the end of those.
	cutTimeout = time.Second
)

// Serve is the front: it serves on l, which it closes, until ctx ends. Then it goes on for Config.Linger, in which each
// answer ends its connection; who has connected until then is served; requests under way have 6 s to finish, and what is left is cut
// off, websockets too. Run must go on for all that time. Serve is called once; it returns nil, or the error that kept it from
// serving.
func (p *Proxy) Serve(ctx context.Context, l net.Listener) error {
	errorLog, err := zap.NewStdLogAt(p.cfg.Log, zap.WarnLevel)
	if err != nil {
		return errors.Join(fmt.Errorf("proxy: log: %w", err), l.Close())
	}
	f := &front{Listener: l}
	p.front.Store(f)
	hs := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: p.cfg.HeaderTimeout,
		WriteTimeout:      2 * p.cfg.StallTimeout, // of an answer that comes at once; others set their own
		IdleTimeout:       p.cfg.IdleTimeout,
		ErrorLog:          errorLog,
		ConnState:         f.state,
		ConnContext:       withWatched,

		DisableGeneralOptionsHandler: true, // or a body of OPTIONS * would pass unwatched
	}
	connlimit.Configure(hs, l, p.cfg.HeaderLimit)
	served := make(chan error, 1)
	if p.cfg.TLS == nil {
		go func() { served <- hs.Serve(watching{f}) }()
	} else {
		h := newHandshakes(f, withProtocols(p.cfg.TLS), p.cfg.HeaderTimeout, p.cfg.Log)
		hs.TLSConfig = withProtocols(p.cfg.TLS) // has net/http take HTTP/2
		var running sync.WaitGroup
		running.Go(h.run)
		defer running.Wait()
		go func() { served <- hs.Serve(h) }()
	}
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("proxy: serve: %w", err), hs.Close())
	case <-ctx.Done():
	}
	p.closing.Store(true)
	<-time.After(p.cfg.Linger) // so that no client finds its connection closed under a request
	f.shut()
	<-served
	f.settle(settleTimeout)
	p.finish(hs)
	return nil
}

// finish waits for the requests under way, and cuts off those that take too long.
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
