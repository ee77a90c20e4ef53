package nsqpubsub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

// greeter connects to one nsqd. It remembers what that nsqd does not allow. One goroutine uses it.
type greeter struct {
	addr   string
	conf   nsq.Config // as it was configured, or less where nsqd does not allow it
	logger watermill.LoggerAdapter

	refused error // why a setting was lowered; nil once that is logged
	warned  bool  // of a compression that nsqd does not offer
}

func newGreeter(addr string, conf *nsq.Config, logger watermill.LoggerAdapter) *greeter {
	return &greeter{addr: addr, conf: *conf, logger: logger}
}

// connect returns when nsqd has answered IDENTIFY and, where they are configured, TLS and AUTH are done; or when ctx ends.
// If nsqd does not allow a setting, it connects again with the next one that nsqd may allow. It is the caller's task to
// close the connection; after that the session's channel closed is closed.
func (g *greeter) connect(ctx context.Context, s *session) (*nsq.Conn, error) {
	for {
		conn, err := g.attempt(ctx, s)
		if err == nil || ctx.Err() != nil || !g.lower(err) {
			return conn, err
		}
	}
}

// attempt connects once. Go-nsq cannot abandon an attempt, so when ctx ends the attempt ends by itself, within DialTimeout
// and ReadTimeout.
func (g *greeter) attempt(ctx context.Context, s *session) (*nsq.Conn, error) {
	conf := g.conf
	secure := requireTLS(&conf)
	conn := nsq.NewConn(g.addr, &conf, s)
	for level, log := range clientLogs(g.logger) {
		conn.SetLoggerForLevel(log, level, "(%s)")
	}
	conn.SetLoggerLevel(nsq.LogLevelInfo)
	greeted := make(chan greeting, 1)
	go func() { greeted <- greet(conn) }()
	select {
	case a := <-greeted:
		if g.conf.TlsV1 && !*secure && (a.err == nil || a.authRequired()) {
			a.err = ErrNoTLS
		}
		if a.err != nil {
			_ = conn.Close()
			return nil, a.err
		}
		g.warnOfLimits()
		g.compare(a.agreed)
		return conn, nil
	case <-ctx.Done():
		go func() {
			<-greeted
			_ = conn.Close()
		}()
		return nil, ctx.Err()
	}
}

// requireTLS withholds the secret for AUTH from conf until the TLS handshake has succeeded, because go-nsq goes on without
// TLS if nsqd does not offer it. The result says whether the handshake has succeeded, once Connect has returned.
func requireTLS(conf *nsq.Config) *bool {
	secure := new(bool)
	if !conf.TlsV1 {
		return secure
	}
	secret := conf.AuthSecret
	conf.AuthSecret = ""
	conf.TlsConfig = conf.TlsConfig.Clone()
	verify := conf.TlsConfig.VerifyConnection
	conf.TlsConfig.VerifyConnection = func(state tls.ConnectionState) error {
		if verify != nil {
			if err := verify(state); err != nil {
				return err
			}
		}
		*secure, conf.AuthSecret = true, secret
		return nil
	}
	return secure
}

type greeting struct {
	agreed *nsq.IdentifyResponse // nil if nsqd negotiates nothing
	err    error
}

// greet makes an error of go-nsq's panic on an empty answer.
func greet(conn *nsq.Conn) (a greeting) {
	defer func() {
		if r := recover(); r != nil {
			a.err = fmt.Errorf("nsqpubsub: invalid answer to IDENTIFY: %v", r)
		}
	}()
	a.agreed, a.err = conn.Connect()
	return a
}

// authRequired reports whether nsqd wants a secret and none was given; go-nsq has no type for that error.
func (a greeting) authRequired() bool { return a.err.Error() == "Auth Required" }

// compare warns once if nsqd does not offer the compression that is configured. The connection is used without it.
func (g *greeter) compare(agreed *nsq.IdentifyResponse) {
	if agreed == nil {
		agreed = &nsq.IdentifyResponse{}
	}
	missing := (g.conf.Snappy && !agreed.Snappy) || (g.conf.Deflate && !agreed.Deflate)
	if missing && !g.warned {
		g.warned = true
		g.logger.Error("nsqd does not offer the configured compression; messages are not compressed",
			errors.New("compression not agreed to"), watermill.LogFields{"nsqd": g.addr})
	}
}
