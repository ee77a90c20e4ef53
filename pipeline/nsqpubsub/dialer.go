package nsqpubsub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/go-nsq"
)

// dialer connects to one nsqd, and remembers the settings that this nsqd does not allow. Only one goroutine may use it.
type dialer struct {
	addr   string
	conf   nsq.Config // the configured settings, lowered to what nsqd allows
	logger watermill.LoggerAdapter

	disallowed error // nsqd's error for which a setting was lowered; nil once the lowered settings are logged
	warned     bool  // whether a log message has said that nsqd does not offer the compression
}

func newDialer(addr string, conf *nsq.Config, logger watermill.LoggerAdapter) *dialer {
	return &dialer{addr: addr, conf: *conf, logger: logger}
}

// connect connects to the nsqd. It returns when IDENTIFY and, if configured, TLS and AUTH are done, or when ctx ends. If nsqd does not
// allow a setting, connect tries again with a lower setting. The caller must close the connection; when go-nsq has done so, del.closed
// is closed.
func (d *dialer) connect(ctx context.Context, del *delegate) (*nsq.Conn, error) {
	for {
		conn, err := d.connectOnce(ctx, del)
		if err == nil || ctx.Err() != nil || !d.lower(err) {
			return conn, err
		}
	}
}

// connectOnce connects with the current settings. go-nsq cannot cancel an attempt: when ctx ends, the attempt continues in a goroutine
// that ends within the sum of DialTimeout and ReadTimeout.
func (d *dialer) connectOnce(ctx context.Context, del *delegate) (*nsq.Conn, error) {
	conf := d.conf
	secure := requireTLS(&conf)
	conn := nsq.NewConn(d.addr, &conf, del)
	for level, log := range clientLogs(d.logger) {
		conn.SetLoggerForLevel(log, level, "(%s)")
	}
	conn.SetLoggerLevel(nsq.LogLevelInfo)
	identified := make(chan identifyResult, 1)
	go func() { identified <- identify(conn) }()
	select {
	case r := <-identified:
		if d.conf.TlsV1 && !*secure && (r.err == nil || r.authRequired()) {
			r.err = ErrNoTLS
		}
		if r.err != nil {
			_ = conn.Close()
			return nil, r.err
		}
		d.logLowered()
		d.checkCompression(r.agreed)
		return conn, nil
	case <-ctx.Done():
		go func() {
			<-identified
			_ = conn.Close()
		}()
		return nil, ctx.Err()
	}
}

// requireTLS removes the secret for AUTH from conf until the TLS handshake has succeeded, because go-nsq continues without TLS if nsqd
// does not offer TLS. When conn.Connect has returned, the result points to true if the handshake has succeeded, else to false.
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

type identifyResult struct {
	agreed *nsq.IdentifyResponse // the features that nsqd has agreed to; nil if nsqd does not negotiate features
	err    error
}

// identify connects conn. go-nsq panics if the response to IDENTIFY is empty; identify returns an error instead.
func identify(conn *nsq.Conn) (r identifyResult) {
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("nsqpubsub: invalid response to IDENTIFY: %v", p)
		}
	}()
	r.agreed, r.err = conn.Connect()
	return r
}

// authRequired reports whether r.err says that nsqd requires a secret and go-nsq has none: none is configured, or requireTLS removed
// it. go-nsq has no type for that error.
func (r identifyResult) authRequired() bool { return r.err.Error() == "Auth Required" }

// checkCompression logs once if nsqd does not offer the configured compression. The connection is used without compression.
func (d *dialer) checkCompression(agreed *nsq.IdentifyResponse) {
	if agreed == nil {
		agreed = &nsq.IdentifyResponse{}
	}
	missing := (d.conf.Snappy && !agreed.Snappy) || (d.conf.Deflate && !agreed.Deflate)
	if missing && !d.warned {
		d.warned = true
		d.logger.Error("nsqd does not offer the configured compression; messages are not compressed",
			errors.New("compression not negotiated"), watermill.LogFields{"nsqd": d.addr})
	}
}
