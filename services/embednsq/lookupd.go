package embednsq

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"github.com/nsqio/nsq/nsqlookupd"
)

// LookupdConfig configures a nsqlookupd. The zero value is ready to use.
type LookupdConfig struct {
	TCPAddress       string // default 127.0.0.1:0
	HTTPAddress      string // default 127.0.0.1:0
	BroadcastAddress string // host that nsqlookupd reports to nsqd; default 127.0.0.1
	Logf             Logf   // nil: no log

	Tune func(*nsqlookupd.Options) // if not nil, changes the options before the start
}

func (c *LookupdConfig) setDefaults() {
	c.TCPAddress = cmp.Or(c.TCPAddress, "127.0.0.1:0")
	c.HTTPAddress = cmp.Or(c.HTTPAddress, "127.0.0.1:0")
	c.BroadcastAddress = cmp.Or(c.BroadcastAddress, "127.0.0.1")
}

// Lookupd is a running nsqlookupd.
type Lookupd struct {
	daemon *nsqlookupd.NSQLookupd
	main   <-chan error

	stopOnce sync.Once
	stopErr  error
}

// StartLookupd starts nsqlookupd and returns when it accepts connections. An error names the address that is in use.
func StartLookupd(cfg LookupdConfig) (*Lookupd, error) {
	cfg.setDefaults()
	opts := nsqlookupd.NewOptions()
	opts.TCPAddress = cfg.TCPAddress
	opts.HTTPAddress = cfg.HTTPAddress
	opts.BroadcastAddress = cfg.BroadcastAddress
	opts.Logger = logger{cfg.Logf}
	if cfg.Tune != nil {
		cfg.Tune(opts)
	}
	if err := checkFree(opts.TCPAddress, opts.HTTPAddress); err != nil {
		return nil, fmt.Errorf("embednsq: start nsqlookupd: %w", err)
	}
	daemon, err := nsqlookupd.New(opts)
	if err != nil {
		return nil, fmt.Errorf("embednsq: start nsqlookupd: %w", err)
	}
	l := &Lookupd{daemon: daemon, main: runMain(daemon.Main)}
	if err := awaitMain(l.HTTPAddr()); err != nil {
		return nil, fmt.Errorf("embednsq: start nsqlookupd: %w", errors.Join(err, l.Stop()))
	}
	return l, nil
}

// TCPAddr returns the host:port at which nsqd registers.
func (l *Lookupd) TCPAddr() string { return l.daemon.RealTCPAddr().String() }

// HTTPAddr returns the host:port of nsqlookupd's HTTP API.
func (l *Lookupd) HTTPAddr() string { return l.daemon.RealHTTPAddr().String() }

// Stop stops nsqlookupd within five seconds. Further calls return the result of the first.
func (l *Lookupd) Stop() error {
	l.stopOnce.Do(func() {
		if err := exitWithin(stopTimeout, l.daemon.Exit, l.main); err != nil {
			l.stopErr = fmt.Errorf("embednsq: stop nsqlookupd: %w", err)
		}
	})
	return l.stopErr
}
