package embednsq

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/nsqio/nsq/nsqd"
)

// NSQDConfig configures an nsqd. The zero value is ready to use.
type NSQDConfig struct {
	TCPAddress       string   // default 127.0.0.1:0
	HTTPAddress      string   // default 127.0.0.1:0
	BroadcastAddress string   // host that nsqlookupd reports to clients; default 127.0.0.1
	DataPath         string   // existing directory; default: a temporary directory, which Stop removes
	Lookupd          []string // TCP addresses of the nsqlookupd at which nsqd registers
	NodeID           int64    // 1 to 1023, part of every message id; default: derived from the TCP port
	MemQueueSize     int64    // messages kept in memory for each topic and channel; default 10000
	Logf             Logf     // nil: no log

	Tune func(*nsqd.Options) // if not nil, changes the options before the start
}

func (c *NSQDConfig) setDefaults() {
	c.TCPAddress = cmp.Or(c.TCPAddress, "127.0.0.1:0")
	c.HTTPAddress = cmp.Or(c.HTTPAddress, "127.0.0.1:0")
	c.BroadcastAddress = cmp.Or(c.BroadcastAddress, "127.0.0.1")
	c.MemQueueSize = cmp.Or(c.MemQueueSize, 10000)
}

// NSQD is a running nsqd.
type NSQD struct {
	daemon  *nsqd.NSQD
	main    <-chan error
	lookups *lookupLink
	tempDir string

	stopOnce sync.Once
	stopErr  error
}

// StartNSQD starts nsqd and returns when it accepts connections. nsqd may register at nsqlookupd later. nsqd restores the topics
// and channels stored in DataPath. An error names the address or path that is in use.
func StartNSQD(cfg NSQDConfig) (*NSQD, error) {
	n, err := startNSQD(cfg)
	if err != nil {
		return nil, fmt.Errorf("embednsq: start nsqd: %w", err)
	}
	return n, nil
}

func startNSQD(cfg NSQDConfig) (_ *NSQD, err error) {
	cfg.setDefaults()
	n := &NSQD{}
	if cfg.DataPath == "" {
		if n.tempDir, err = os.MkdirTemp("", "nsqd-"); err != nil {
			return nil, err
		}
		cfg.DataPath = n.tempDir
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop())
		}
	}()
	opts := cfg.options()
	if err := checkFree(opts.TCPAddress, opts.HTTPAddress); err != nil {
		return nil, err
	}
	n.lookups = watchLookups(opts)
	if n.daemon, err = nsqd.New(opts); err != nil {
		return nil, err
	}
	// nsqd reads the ID when it creates a topic, so the ID can be set after the port is known.
	opts.ID = cmp.Or(cfg.NodeID, nodeID(n.daemon.RealTCPAddr()))
	if err := n.daemon.LoadMetadata(); err != nil {
		return nil, err
	}
	n.main = runMain(n.daemon.Main)
	if err := awaitMain(n.HTTPAddr()); err != nil {
		return nil, err
	}
	return n, nil
}

func (c *NSQDConfig) options() *nsqd.Options {
	opts := nsqd.NewOptions()
	opts.ID = c.NodeID
	opts.TCPAddress = c.TCPAddress
	opts.HTTPAddress = c.HTTPAddress
	opts.HTTPSAddress = "127.0.0.1:0" // used only if Tune sets a certificate
	opts.BroadcastAddress = c.BroadcastAddress
	opts.DataPath = c.DataPath
	opts.NSQLookupdTCPAddresses = c.Lookupd
	opts.MemQueueSize = c.MemQueueSize
	opts.Logger = logger{c.Logf}
	if c.Tune != nil {
		c.Tune(opts)
	}
	return opts
}

// nodeID returns different IDs for the nsqd of one host. Two nsqd with the same ID can create equal message ids.
func nodeID(addr net.Addr) int64 {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return 0
	}
	return int64(tcp.Port % 1024)
}

// TCPAddr returns the host:port for producers and consumers.
func (n *NSQD) TCPAddr() string { return n.daemon.RealTCPAddr().String() }

// HTTPAddr returns the host:port of nsqd's HTTP API.
func (n *NSQD) HTTPAddr() string { return n.daemon.RealHTTPAddr().String() }

// Stop deregisters nsqd from nsqlookupd, writes the messages in memory to DataPath and stops nsqd, within seven seconds in all.
// Further calls return the result of the first.
func (n *NSQD) Stop() error {
	n.stopOnce.Do(func() {
		if err := n.stop(); err != nil {
			n.stopErr = fmt.Errorf("embednsq: stop nsqd: %w", err)
		}
	})
	return n.stopErr
}

func (n *NSQD) stop() (err error) {
	if n.tempDir != "" {
		defer func() { err = errors.Join(err, os.RemoveAll(n.tempDir)) }()
	}
	if n.daemon == nil {
		return nil
	}
	if n.main == nil {
		n.daemon.Exit()
		return nil
	}
	leaveErr := n.lookups.leave(n.HTTPAddr())
	return errors.Join(leaveErr, exitWithin(stopTimeout, n.daemon.Exit, n.main))
}
