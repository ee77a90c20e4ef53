package nsqpubsub

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nsqio/go-nsq"
)

// Compression of the connection to nsqd.
type Compression int

const (
	None Compression = iota
	Snappy
	Deflate
)

func (c Compression) String() string {
	switch c {
	case None:
		return "none"
	case Snappy:
		return "snappy"
	case Deflate:
		return "deflate"
	}
	return fmt.Sprintf("Compression(%d)", int(c))
}

// Cluster says which nsqd there are and how to talk to them. NSQD and Lookupd are used together; one of
// them must be given.
type Cluster struct {
	NSQD    []string // TCP addresses, host:port; always part of the cluster
	Lookupd []string // HTTP addresses of nsqlookupd, host:port or URL

	TLS         *tls.Config // nil is plain TCP; else an nsqd that does not offer TLS is not used: ErrNoTLS
	AuthSecret  string      // for an nsqd with an auth server; with TLS sent only inside of it
	Compression Compression // none is used, with a warning, if nsqd does not offer it

	LookupdPollInterval time.Duration // default 1 s, jittered by a tenth
	LookupdPollTimeout  time.Duration // default 2 s
	ForgetAfter         time.Duration // an nsqd neither named nor connected is dropped then, default 60 s

	UserAgent string // default go-nsq's
	ClientID  string // default the short host name
}

func (c *Cluster) setDefaults() {
	c.LookupdPollInterval = cmp.Or(c.LookupdPollInterval, time.Second)
	c.LookupdPollTimeout = cmp.Or(c.LookupdPollTimeout, 2*time.Second)
	c.ForgetAfter = cmp.Or(c.ForgetAfter, time.Minute)
}

// Validate names the first field that cannot work.
func (c *Cluster) Validate() error {
	if len(c.NSQD)+len(c.Lookupd) == 0 {
		return errors.New("nsqpubsub: NSQD and Lookupd: both empty")
	}
	for _, addr := range c.NSQD {
		if err := checkAddress(addr); err != nil {
			return fmt.Errorf("nsqpubsub: NSQD: %w", err)
		}
	}
	for _, addr := range c.Lookupd {
		if _, err := lookupURL(addr); err != nil {
			return fmt.Errorf("nsqpubsub: Lookupd: %w", err)
		}
	}
	if c.Compression < None || c.Compression > Deflate {
		return fmt.Errorf("nsqpubsub: Compression: unknown value %d", c.Compression)
	}
	return errors.Join(
		notNegative("LookupdPollInterval", c.LookupdPollInterval),
		notNegative("LookupdPollTimeout", c.LookupdPollTimeout),
		notNegative("ForgetAfter", c.ForgetAfter),
	)
}

// Addresses are those of each nsqd, and then of each nsqlookupd, as host:port. What Validate refuses is left out.
func (c *Cluster) Addresses() []string {
	var addrs []string
	for _, addr := range c.NSQD {
		if checkAddress(addr) == nil {
			addrs = append(addrs, addr)
		}
	}
	for _, addr := range c.Lookupd {
		if u, err := lookupURL(addr); err == nil {
			addrs = append(addrs, u.Host)
		}
	}
	return addrs
}

func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if host == "" || port == "" {
		return fmt.Errorf("address %q: want host:port", addr)
	}
	return nil
}

func lookupURL(addr string) (*url.URL, error) {
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	if err != nil {
		return nil, err
	}
	return u, checkAddress(u.Host)
}

func notNegative(field string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("nsqpubsub: %s: negative", field)
	}
	return nil
}

// connection is the part of go-nsq's configuration that producers and consumers have in common.
func (c *Cluster) connection(heartbeat, read time.Duration) (*nsq.Config, error) {
	conf := nsq.NewConfig()
	conf.DialTimeout = time.Second
	conf.WriteTimeout = time.Second
	conf.HeartbeatInterval = heartbeat
	conf.ReadTimeout = read
	conf.TlsV1 = c.TLS != nil
	conf.TlsConfig = c.TLS
	conf.AuthSecret = c.AuthSecret
	conf.Snappy = c.Compression == Snappy
	conf.Deflate = c.Compression == Deflate
	conf.UserAgent = cmp.Or(c.UserAgent, conf.UserAgent)
	conf.ClientID = cmp.Or(c.ClientID, conf.ClientID)
	if err := conf.Validate(); err != nil {
		return nil, fmt.Errorf("nsqpubsub: %w", err)
	}
	return conf, nil
}
