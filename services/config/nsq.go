package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/version"
)

// Cluster returns the configuration of NSQ producers and consumers. It reads the files of nsq.tls.
func (n NSQ) Cluster() (nsqpubsub.Cluster, error) {
	compression, err := parseCompression(n.Compression)
	if err != nil {
		return nsqpubsub.Cluster{}, err
	}
	c := nsqpubsub.Cluster{NSQD: n.NSQD, Lookupd: n.Lookupd, AuthSecret: n.Auth, Compression: compression, UserAgent: "rollcall/" + version.String()}
	if !n.TLS.Enabled {
		return c, nil
	}
	c.TLS, err = n.TLS.config()
	return c, err
}

// Validate returns an error that names each invalid key. It reads the files if TLS is enabled.
func (t TLS) Validate() error {
	if err := bothOrNeither("nsq.tls", t.Cert, t.Key); err != nil || !t.Enabled {
		return err
	}
	_, err := t.config()
	return err
}

func (t TLS) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("nsq.tls.ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("nsq.tls.ca: %s contains no certificate in PEM format", t.CA)
		}
	}
	if t.Cert != "" {
		var err error
		if cfg.Certificates, err = readPair("nsq.tls", t.Cert, t.Key); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

func parseCompression(s string) (nsqpubsub.Compression, error) {
	for _, c := range []nsqpubsub.Compression{nsqpubsub.None, nsqpubsub.Snappy, nsqpubsub.Deflate} {
		if c.String() == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("nsq.compression %q: want none, snappy or deflate", s)
}
