package nsqpubsub

import (
	"bufio"
	"compress/flate"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/golang/snappy"
	"github.com/nsqio/go-nsq"
)

// defaultMaxRDY is used for an nsqd that does not say which RDY it accepts. It is the default of nsqd's --max-rdy-count.
const defaultMaxRDY = 2500

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

// connect connects to the nsqd, and sends the commands, to each of which nsqd must respond with OK. It returns when nsqd has responded to
// the last of them, or when ctx ends. If nsqd does not allow a setting, connect tries again with a lower setting. The caller must close the
// connection.
func (d *dialer) connect(ctx context.Context, commands ...*nsq.Command) (*conn, error) {
	for {
		c, err := d.connectOnce(ctx, commands)
		if err == nil || ctx.Err() != nil || !d.lower(err) {
			return c, err
		}
	}
}

// connectOnce connects with the current settings.
func (d *dialer) connectOnce(ctx context.Context, commands []*nsq.Command) (*conn, error) {
	socket, err := (&net.Dialer{Timeout: d.conf.DialTimeout, LocalAddr: d.conf.LocalAddr}).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	c := newConn(socket, &d.conf)
	stop := context.AfterFunc(ctx, c.close)
	err = d.open(ctx, c, commands)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// open begins the protocol on a new connection.
func (d *dialer) open(ctx context.Context, c *conn, commands []*nsq.Command) error {
	if err := c.write(nsq.MagicV2); err != nil {
		return err
	}
	agreed, err := d.identify(c)
	if err != nil {
		return fmt.Errorf("IDENTIFY: %w", err)
	}
	if d.conf.TlsV1 && !agreed.TLSv1 {
		return ErrNoTLS
	}
	if err := d.upgrade(ctx, c, agreed); err != nil {
		return err
	}
	if agreed.AuthRequired {
		if err := d.authenticate(c); err != nil {
			return fmt.Errorf("AUTH: %w", err)
		}
	}
	c.r = bufio.NewReaderSize(c.r, readBuffer)
	d.logLowered()
	d.checkCompression(agreed)
	for _, cmd := range commands {
		if err := c.send(cmd); err != nil {
			return err
		}
		if err := c.expectOK(); err != nil {
			return fmt.Errorf("%s: %w", cmd.Name, err)
		}
	}
	return nil
}

// identify returns the features that nsqd has agreed to: none if nsqd does not negotiate features.
func (d *dialer) identify(c *conn) (*nsq.IdentifyResponse, error) {
	cmd, err := nsq.Identify(map[string]any{
		"client_id":             d.conf.ClientID,
		"hostname":              d.conf.Hostname,
		"user_agent":            d.conf.UserAgent,
		"feature_negotiation":   true,
		"tls_v1":                d.conf.TlsV1,
		"snappy":                d.conf.Snappy,
		"deflate":               d.conf.Deflate,
		"deflate_level":         d.conf.DeflateLevel,
		"heartbeat_interval":    milliseconds(d.conf.HeartbeatInterval),
		"output_buffer_size":    d.conf.OutputBufferSize,
		"output_buffer_timeout": milliseconds(d.conf.OutputBufferTimeout),
	})
	if err != nil {
		return nil, err
	}
	data, err := c.ask(cmd)
	agreed := &nsq.IdentifyResponse{}
	switch {
	case err != nil:
		return nil, err
	case string(data) == "OK":
	default:
		if err := json.Unmarshal(data, agreed); err != nil {
			return nil, fmt.Errorf("%w: %w", errProtocol, err)
		}
	}
	if agreed.MaxRdyCount > 0 {
		c.maxRDY = agreed.MaxRdyCount
	}
	return agreed, nil
}

// milliseconds returns d in milliseconds. A negative d, which turns a feature off, is -1.
func milliseconds(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}

// upgrade turns on TLS and the compression as agreed.
func (d *dialer) upgrade(ctx context.Context, c *conn, agreed *nsq.IdentifyResponse) error {
	if d.conf.TlsV1 {
		if err := d.startTLS(ctx, c); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	// nsqd compresses from its next response on, the beginning of which may be in the buffer already.
	switch {
	case d.conf.Snappy && agreed.Snappy:
		c.r, c.w = bufio.NewReader(snappy.NewReader(c.r)), snappy.NewBufferedWriter(c.buffer)
	case d.conf.Deflate && agreed.Deflate:
		w, err := flate.NewWriter(c.buffer, d.conf.DeflateLevel)
		if err != nil {
			return err
		}
		c.r, c.w = bufio.NewReader(flate.NewReader(c.r)), w
	default:
		return nil
	}
	if err := c.expectOK(); err != nil {
		return fmt.Errorf("compression: %w", err)
	}
	return nil
}

func (d *dialer) startTLS(ctx context.Context, c *conn) error {
	if c.r.Buffered() > 0 {
		return fmt.Errorf("%w: data before the handshake", errProtocol) // somebody could have inserted it on the way
	}
	conf := d.conf.TlsConfig.Clone()
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(d.addr)
		if err != nil {
			return err
		}
		conf.ServerName = host
	}
	secure := tls.Client(c.socket, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		return err
	}
	c.use(secure)
	return c.expectOK()
}

func (d *dialer) authenticate(c *conn) error {
	if d.conf.AuthSecret == "" {
		return fmt.Errorf("%w: no secret is configured", ErrUnauthorized)
	}
	cmd, err := nsq.Auth(d.conf.AuthSecret)
	if err != nil {
		return err
	}
	_, err = c.ask(cmd)
	return err
}

// checkCompression logs once if nsqd does not offer the configured compression. The connection is used without compression.
func (d *dialer) checkCompression(agreed *nsq.IdentifyResponse) {
	missing := (d.conf.Snappy && !agreed.Snappy) || (d.conf.Deflate && !agreed.Deflate)
	if missing && !d.warned {
		d.warned = true
		d.logger.Error("nsqd does not offer the configured compression; messages are not compressed",
			errors.New("compression not negotiated"), watermill.LogFields{"nsqd": d.addr})
	}
}
