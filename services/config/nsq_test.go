package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/config"
)

func TestClusterFollowsKeys(t *testing.T) {
	n := config.NSQ{Lookupd: []string{"l:1"}, NSQD: []string{"n:2"}, Auth: "secret", Compression: "snappy"}
	c, err := n.Cluster()
	if err != nil {
		t.Fatal(err)
	}
	if c.Lookupd[0] != "l:1" || c.NSQD[0] != "n:2" || c.AuthSecret != "secret" || c.Compression != nsqpubsub.Snappy || c.TLS != nil {
		t.Errorf("got %+v", c)
	}
	if !strings.HasPrefix(c.UserAgent, "rollcall/") {
		t.Errorf("user agent %q", c.UserAgent)
	}
}

func TestClusterReadsTLSFiles(t *testing.T) {
	cert, key := mustPair(t)
	n := config.NSQ{Compression: "none", TLS: config.TLS{Enabled: true, CA: cert, Cert: cert, Key: key}}
	c, err := n.Cluster()
	if err != nil {
		t.Fatal(err)
	}
	if c.TLS == nil || c.TLS.RootCAs == nil || len(c.TLS.Certificates) != 1 || c.TLS.MinVersion != tls.VersionTLS12 {
		t.Errorf("got %+v", c.TLS)
	}
}

func TestValidateReadsTLSFiles(t *testing.T) {
	cert, key := mustPair(t)
	other, _ := mustPair(t)
	none := filepath.Join(t.TempDir(), "none.pem")
	for name, row := range map[string]struct {
		tls  config.TLS
		want []string // texts that the error must contain in its only line
	}{
		"all in order":        {config.TLS{Enabled: true, CA: cert, Cert: cert, Key: key}, nil},
		"the system's CA":     {config.TLS{Enabled: true}, nil},
		"not enabled":         {config.TLS{CA: none, Cert: none, Key: none}, nil},
		"no file of the CA":   {config.TLS{Enabled: true, CA: none}, []string{"nsq.tls.ca: ", none, "no such file"}},
		"CA without a PEM":    {config.TLS{Enabled: true, CA: mustFile(t, "x")}, []string{"nsq.tls.ca: ", "no certificate in PEM"}},
		"CA that is a key":    {config.TLS{Enabled: true, CA: key}, []string{"nsq.tls.ca: ", "no certificate in PEM"}},
		"no file of the cert": {config.TLS{Enabled: true, Cert: none, Key: key}, []string{"nsq.tls.cert and nsq.tls.key: ", none}},
		"cert without a PEM":  {config.TLS{Enabled: true, Cert: mustFile(t, "x"), Key: key}, []string{"nsq.tls.cert and nsq.tls.key: ", "PEM"}},
		"key of another":      {config.TLS{Enabled: true, Cert: other, Key: key}, []string{"nsq.tls.cert and nsq.tls.key: ", "private key does not match"}},
		"cert without a key":  {config.TLS{Enabled: true, Cert: cert}, []string{"nsq.tls.cert and nsq.tls.key: want both"}},
		"key without a cert":  {config.TLS{Key: key}, []string{"nsq.tls.cert and nsq.tls.key: want both"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.ID, cfg.NSQ.TLS = "api-1", row.tls
			err := cfg.Validate()
			if row.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v, want one line", err)
			}
			for _, part := range row.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %q in it", err, part)
				}
			}
		})
	}
}

// mustPair writes a certificate and its key, and returns their paths.
func mustPair(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	mustPEM(t, cert, "CERTIFICATE", der)
	mustPEM(t, key, "PRIVATE KEY", keyDER)
	return cert, key
}

func mustPEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
