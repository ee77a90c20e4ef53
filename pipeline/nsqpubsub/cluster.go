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

// Compression is the compression of a connection to nsqd.
type Compression int

// Compressions that nsqd supports.
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

// Cluster describes the nsqd of a cluster and how to connect to them. The cluster consists of the nsqd listed in NSQD and of those that
// are named by the nsqlookupd listed in Lookupd. At least one of NSQD and Lookupd must be set.
type Cluster struct {
	NSQD    []string // TCP addresses of nsqd, host:port; these "static" nsqd are always known
	Lookupd []string // HTTP addresses of nsqlookupd, host:port or URL

	TLS         *tls.Config // if nil, connections are plain TCP; if set, connecting to an nsqd that does not offer TLS fails with ErrNoTLS
	AuthSecret  string      // sent to an nsqd that has an auth server; if TLS is set, sent only over TLS
	Compression Compression // if nsqd does not offer this compression, messages are not compressed, and a log message says so

	LookupdPollInterval time.Duration // time between two queries of an nsqlookupd, plus or minus a tenth; default 1 s
	LookupdPollTimeout  time.Duration // maximum duration of a query; default 2 s
	ForgetAfter         time.Duration // an nsqd without a connection is forgotten when no nsqlookupd has named it for this time; default 60 s

	UserAgent string // default: the user agent of go-nsq
	ClientID  string // default: the short host name
}

func (c *Cluster) setDefaults() {
	c.LookupdPollInterval = cmp.Or(c.LookupdPollInterval, time.Second)
	c.LookupdPollTimeout = cmp.Or(c.LookupdPollTimeout, 2*time.Second)
	c.ForgetAfter = cmp.Or(c.ForgetAfter, time.Minute)
}

// Validate returns an error that names the first invalid field.
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

// Addresses returns the addresses in NSQD, followed by the addresses in Lookupd, all as host:port. It omits invalid addresses.
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

// connection returns the part of go-nsq's configuration that producers and consumers share.
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
