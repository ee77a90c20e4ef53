package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"rollcall/services/config"
)

// A key that no component reads has no effect, and users would not notice. The test sets each key to another value and requires a
// difference in the wired components.
func TestKeysChangeTheWiring(t *testing.T) {
	values := newKeyValues(t)
	before := mustWire(t, values.base)
	noise := before.difference(mustWire(t, values.base), nil) // paths that always differ: ports, file descriptors, random names and times
	if changed := before.difference(mustWire(t, values.base), noise); len(changed) > 0 {
		t.Fatalf("two equal configurations differ at %d paths, such as %s", len(changed), changed[0])
	}
	for _, key := range config.Keys() {
		t.Run(key.Path, func(t *testing.T) {
			flags := maps.Clone(values.base)
			flags[key.Path] = values.other(key)
			if filepath.Ext(flags[key.Path]) == ".none" { // the value names a missing file
				if _, err := read(t, flags); err == nil {
					t.Error("the file is not read")
				}
				return
			}
			if changed := before.difference(mustWire(t, flags), noise); len(changed) == 0 {
				t.Errorf("%s=%s changes nothing", key.Path, flags[key.Path])
			} else {
				t.Logf("%d differences, such as %s", len(changed), changed[0])
			}
		})
	}
}

// keyValues holds values of the keys, as text.
type keyValues struct {
	base  map[string]string // a valid configuration; it stays valid if one value is replaced by what keyValues.other returns for its key
	texts map[string]string // what keyValues.other returns for a key, if it cannot derive a valid value from the default
}

func newKeyValues(t *testing.T) keyValues {
	dir := t.TempDir()
	key, first, second := mustCertificates(t, dir)
	none := filepath.Join(dir, "missing.none")
	return keyValues{
		base: map[string]string{
			"id": "api-1", "api.listen": "127.0.0.1:0", "proxy.listen": "127.0.0.1:0", "dataserver.listen": "127.0.0.1:0",
			"registry.ttl": "1m", "dataserver.ttl": "1m",
			"nsq.tls.enabled": "true", "nsq.tls.ca": first, "nsq.tls.cert": first, "nsq.tls.key": key, "proxy.tls.cert": first, "proxy.tls.key": key,
		},
		texts: map[string]string{
			"nsq.lookupd": "127.0.0.1:4171", "nsq.nsqd": "127.0.0.1:4150", "nsq.compression": "snappy", "nsq.tls.enabled": "false",
			"nsq.tls.ca": second, "nsq.tls.cert": second, "nsq.tls.key": none, "proxy.tls.cert": second, "proxy.tls.key": none,
			"registry.allow": "10.0.0.0/8", "registry.probe": "tcp", "registry.snapshot": filepath.Join(dir, "registry.json"),
			"api.listen": ":0", "proxy.listen": ":0", "dataserver.listen": ":0", "dataserver.advertise": "10.0.0.7:80",
			"proxy.routes": "/a=b", "proxy.trusted": "10.0.0.0/8", "proxy.policy": "random", "proxy.policies": "data=random", "proxy.hash": "header:X-User",
			"dataserver.meta": "a=b", "log.level": "error", "log.format": "console",
		},
	}
}

// other returns a value of the key that differs from its value in v.base.
func (v keyValues) other(key config.Key) string {
	if text, ok := v.texts[key.Path]; ok {
		return text
	}
	switch d := key.Default.(type) {
	case time.Duration:
		return (2 * d).String()
	case int:
		return strconv.Itoa(d + 1)
	case bool:
		return strconv.FormatBool(!d)
	}
	return key.DefaultText() + "x"
}

func read(t *testing.T, values map[string]string) (config.Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	var args []string
	for path, value := range values {
		config.AddFlags(flags, path)
		args = append(args, "--"+path+"="+value)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return config.Read("", flags, nil)
}

// mustWire wires an API server, a data server and a logger, and dumps them.
func mustWire(t *testing.T, values map[string]string) dump {
	t.Helper()
	cfg, err := read(t, values)
	if err != nil {
		t.Fatal(err)
	}
	log := cfg.Log.NewLogger(io.Discard)
	a, err := ListenAPIServer(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, l := range []net.Listener{a.api, a.front} {
			_ = l.Close()
		}
		if a.unclaim != nil {
			_ = a.unclaim()
		}
	}()
	s, err := NewDataServer(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	return dumpOf(a, s, log)
}

// mustCertificates writes a key and two certificates for it.
func mustCertificates(t *testing.T, dir string) (key, first, second string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key = mustPEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", der)
	for i, path := range []*string{&first, &second} {
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), NotAfter: time.Now().Add(time.Hour)}
		if der, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private); err != nil {
			t.Fatal(err)
		}
		*path = mustPEM(t, filepath.Join(dir, fmt.Sprintf("cert-%d.pem", i)), "CERTIFICATE", der)
	}
	return key, first, second
}

func mustPEM(t *testing.T, path, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
