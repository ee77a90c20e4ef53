package nsqpubsub_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func TestNothingIsSentWithoutTLS(t *testing.T) {
	for name, response := range map[string][]byte{
		"no TLS":                     frame(responseFrame, `{"max_rdy_count":2500,"tls_v1":false}`),
		"no TLS, auth required":      frame(responseFrame, `{"max_rdy_count":2500,"tls_v1":false,"auth_required":true}`),
		"response without TLS field": frame(responseFrame, `{"max_rdy_count":2500}`),
		"no feature negotiation":     frame(responseFrame, `OK`),
		"only compression":           frame(responseFrame, `{"max_rdy_count":2500,"auth_required":true,"snappy":false}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := mustFakeNSQD(t, response)
			cluster := nsqpubsub.Cluster{NSQD: []string{f.addr}, TLS: &tls.Config{InsecureSkipVerify: true}, AuthSecret: "s3cret"}
			log := &lines{}
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, Logger: log})
			if err := p.Publish(t.Context(), "t", []byte("x")); !errors.Is(err, nsqpubsub.ErrNoTLS) {
				t.Errorf("Publish: got %v, want %v", err, nsqpubsub.ErrNoTLS)
			}
			if err := p.PublishTo(t.Context(), f.addr, "t", []byte("x")); !errors.Is(err, nsqpubsub.ErrNoTLS) {
				t.Errorf("PublishTo: got %v, want %v", err, nsqpubsub.ErrNoTLS)
			}
			s := mustSubscriber(t, nsqpubsub.SubscriberConfig{ConsumerConfig: nsqpubsub.ConsumerConfig{Cluster: cluster, Channel: "c"}})
			if err := s.SubscribeInitialize("t"); !errors.Is(err, nsqpubsub.ErrNoTLS) {
				t.Errorf("SubscribeInitialize: got %v, want %v", err, nsqpubsub.ErrNoTLS)
			}
			fixture.Eventually(t, 5*time.Second, "five connections were tried", func() bool {
				n, _ := f.connections()
				return n >= 5 // one connection each for Publish, PublishTo and SubscribeInitialize, and at least two attempts of the consumer
			})
			if nodes := c.Nodes(); len(nodes) != 1 || !errors.Is(nodes[0].Err, nsqpubsub.ErrNoTLS) || nodes[0].Connected {
				t.Errorf("the consumer reports %+v, want %v", nodes, nsqpubsub.ErrNoTLS)
			}
			if err := c.stop(); err != nil {
				t.Error(err)
			}
			if _, after := f.connections(); after != "" {
				t.Errorf("nsqd received %q after IDENTIFY, want nothing", after)
			}
			if got := log.count("no connection to nsqd: " + nsqpubsub.ErrNoTLS.Error()); got != 1 {
				t.Errorf("%d log messages with the reason, want 1: %q", got, log.all())
			}
		})
	}
}

// If the TLS handshake fails, for whatever reason, neither the auth secret nor a message is sent.
func TestNothingIsSentAfterFailedHandshake(t *testing.T) {
	_, _, pool := mustCertificate(t)
	f := mustFakeNSQD(t, append(frame(responseFrame, `{"max_rdy_count":2500,"tls_v1":true,"auth_required":true}`), "no handshake at all"...))
	cluster := nsqpubsub.Cluster{NSQD: []string{f.addr}, TLS: &tls.Config{RootCAs: pool}, AuthSecret: "s3cret"}
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
	if err := p.Publish(t.Context(), "t", []byte("x")); err == nil {
		t.Error("Publish succeeded without a handshake")
	}
	if _, after := f.connections(); strings.Contains(after, "AUTH") || strings.Contains(after, "s3cret") || strings.Contains(after, "PUB") {
		t.Errorf("nsqd received %q", after)
	}

	certFile, keyFile, _ := mustCertificate(t)
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.TLSCert, o.TLSKey = certFile, keyFile }})
	for name, cfg := range map[string]*tls.Config{
		"unknown authority": {RootCAs: pool},
		"VerifyConnection returns an error": {InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error {
			return x509.UnknownAuthorityError{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}, TLS: cfg, AuthSecret: "s3cret"}})
			fixture.Eventually(t, 3*time.Second, "the error is reported", func() bool { return len(c.Nodes()) == 1 && c.Nodes()[0].Err != nil })
			if err := c.Nodes()[0].Err; !strings.Contains(err.Error(), "unknown authority") {
				t.Errorf("got %v, want the error of the handshake", err)
			}
			if c.connected(n.TCPAddr()) {
				t.Error("the consumer reports the nsqd as connected")
			}
		})
	}
}

// Compression is not needed for security: if nsqd does not offer compression, messages are published without compression, and one log
// message says so.
func TestNSQDWithoutCompression(t *testing.T) {
	for name, compression := range map[string]nsqpubsub.Compression{"snappy": nsqpubsub.Snappy, "deflate": nsqpubsub.Deflate} {
		t.Run(name, func(t *testing.T) {
			n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.SnappyEnabled, o.DeflateEnabled = false, false }})
			cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}, Compression: compression}
			log := &lines{}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, Logger: log})
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			mustPublish(t, p, "a")
			fixture.Eventually(t, 3*time.Second, "the message arrives", func() bool { return c.has("a") })
			c.Reconnect(n.TCPAddr())
			fixture.Eventually(t, 3*time.Second, "both connections are logged", func() bool { return log.count("connected to nsqd") == 2 })
			if got := log.count("nsqd does not offer the configured compression"); got != 1 {
				t.Errorf("%d warnings, want 1: %q", got, log.all())
			}
		})
	}
}

// lines is a logger that records the messages of the levels Error and Info, each with its error if it has one.
type lines struct {
	mu  sync.Mutex
	got []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, line)
}

func (l *lines) Error(msg string, err error, _ watermill.LogFields) { l.add(msg + ": " + err.Error()) }
func (l *lines) Info(msg string, _ watermill.LogFields)             { l.add(msg) }
func (l *lines) Debug(string, watermill.LogFields)                  {}
func (l *lines) Trace(string, watermill.LogFields)                  {}
func (l *lines) With(watermill.LogFields) watermill.LoggerAdapter   { return l }
func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.got...)
}

// count returns the number of recorded messages that contain the text.
func (l *lines) count(text string) (n int) {
	for _, line := range l.all() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
