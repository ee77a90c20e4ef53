package nsqpubsub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nsqio/nsq/nsqd"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func TestRoundTripByConnectionSettings(t *testing.T) {
	certFile, keyFile, pool := mustCertificate(t)
	withTLS := func(o *nsqd.Options) {
		o.TLSCert, o.TLSKey, o.TLSRequired = certFile, keyFile, nsqd.TLSRequiredExceptHTTP
		o.TLSMinVersion = tls.VersionTLS12
	}
	auth := mustAuthServer(t, "s3cret")
	withAuth := func(o *nsqd.Options) { o.AuthHTTPAddresses = []string{auth} }
	both := func(o *nsqd.Options) { withTLS(o); withAuth(o) }

	rows := map[string]struct {
		tune    func(*nsqd.Options)
		cluster nsqpubsub.Cluster
		stats   string // text that nsqd's statistics must contain for each connection
	}{
		"plain":                {nil, nsqpubsub.Cluster{}, `"tls":false`},
		"TLS":                  {withTLS, nsqpubsub.Cluster{TLS: &tls.Config{RootCAs: pool}}, `"tls":true`},
		"auth secret":          {withAuth, nsqpubsub.Cluster{AuthSecret: "s3cret"}, `"authed":true`},
		"snappy":               {nil, nsqpubsub.Cluster{Compression: nsqpubsub.Snappy}, `"snappy":true`},
		"deflate":              {nil, nsqpubsub.Cluster{Compression: nsqpubsub.Deflate}, `"deflate":true`},
		"client names":         {nil, nsqpubsub.Cluster{ClientID: "me", UserAgent: "mine/1"}, `"user_agent":"mine/1"`},
		"TLS, auth and snappy": {both, nsqpubsub.Cluster{TLS: &tls.Config{RootCAs: pool}, AuthSecret: "s3cret", Compression: nsqpubsub.Snappy}, `"snappy":true`},
		"TLS and deflate":      {withTLS, nsqpubsub.Cluster{TLS: &tls.Config{RootCAs: pool}, Compression: nsqpubsub.Deflate}, `"deflate":true`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: row.tune})
			row.cluster.NSQD = []string{n.TCPAddr()}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: row.cluster})
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: row.cluster})
			body := strings.Repeat("x", 100_000)
			mustPublish(t, p, body)
			mustPublish(t, p, "y")
			fixture.Eventually(t, 2*time.Second, "both messages arrive", func() bool { return c.has(body) && c.has("y") })
			stats := mustGet(t, n.HTTPAddr(), "/stats?format=json")
			if got := strings.Count(stats, row.stats); got != 2 {
				t.Errorf("%s is true for %d connections, want 2: the producer's and the consumer's", row.stats, got)
			}
		})
	}
}

func TestWrongAuthSecret(t *testing.T) {
	auth := mustAuthServer(t, "s3cret")
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.AuthHTTPAddresses = []string{auth} }})
	for name, secret := range map[string]string{"wrong": "guess", "none": "", "valid for another topic": "other"} {
		t.Run(name, func(t *testing.T) {
			cluster := nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}, AuthSecret: secret}
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			if err := p.Publish(t.Context(), "t", []byte("x")); err == nil {
				t.Error("Publish succeeded without the secret")
			} else if !errors.Is(err, nsqpubsub.ErrUnauthorized) {
				t.Errorf("Publish: got %v, want %v", err, nsqpubsub.ErrUnauthorized)
			}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster})
			fixture.Eventually(t, 3*time.Second, "the error is reported", func() bool { return len(c.Nodes()) == 1 && c.Nodes()[0].Err != nil })
			if err := c.Nodes()[0].Err; !errors.Is(err, nsqpubsub.ErrUnauthorized) {
				t.Errorf("the consumer: got %v, want %v", err, nsqpubsub.ErrUnauthorized)
			}
			if c.connected(n.TCPAddr()) {
				t.Error("the consumer reports the nsqd as connected")
			}
		})
	}
}

func TestUntrustedCertificate(t *testing.T) {
	certFile, keyFile, _ := mustCertificate(t)
	n := fixture.NSQD(t, embednsq.NSQDConfig{Tune: func(o *nsqd.Options) { o.TLSCert, o.TLSKey = certFile, keyFile }})
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{
		NSQD: []string{n.TCPAddr()},
		TLS:  &tls.Config{RootCAs: x509.NewCertPool()},
	}})
	if err := p.Publish(t.Context(), "t", []byte("x")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want an error about the certificate", err)
	}
}

// mustAuthServer returns the address of an auth server that allows every topic to clients that send the given secret, and only the
// topic "other" to clients that send the secret "other".
func mustAuthServer(t *testing.T, secret string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		topic := ".*"
		switch r.FormValue("secret") {
		case secret:
		case "other":
			topic = "^other$"
		default:
			w.WriteHeader(http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, `{"ttl":3600,"identity":"test","authorizations":[
			{"permissions":["subscribe","publish"],"topic":%q,"channels":[".*"]}]}`, topic)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// mustCertificate writes a certificate for 127.0.0.1 and its key, and returns a pool that trusts it.
func mustCertificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return mustWritePEM(t, "CERTIFICATE", der), mustWritePEM(t, "PRIVATE KEY", keyDER), pool
}

func mustWritePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
