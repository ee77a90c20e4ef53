package embednsq

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/nsqio/nsq/nsqd"
)

const leaveTimeout = 2 * time.Second

// lookupLink closes nsqd's connections to nsqlookupd before nsqd stops. nsqd's Exit leaves these connections open. If the
// process goes on, nsqlookupd then lists the stopped nsqd for 300 more seconds.
//
// lookupLink removes the addresses of nsqlookupd from the configuration of the running nsqd. A goroutine of nsqd then
// closes the connections. Only nsqd's log shows when they are closed, so lookupLink reads the log.
type lookupLink struct {
	next   nsqd.Logger
	peers  int
	closed chan struct{}
}

// watchLookups inserts a lookupLink between nsqd and its logger.
func watchLookups(opts *nsqd.Options) *lookupLink {
	n := len(opts.NSQLookupdTCPAddresses)
	l := &lookupLink{next: opts.Logger, peers: n, closed: make(chan struct{}, n)}
	if n > 0 {
		opts.Logger = l
	}
	return l
}

func (l *lookupLink) Output(depth int, line string) error {
	if strings.Contains(line, "): removing peer") {
		select {
		case l.closed <- struct{}{}:
		default:
		}
	}
	return l.next.Output(depth+1, line)
}

// leave makes nsqd close its connections to all nsqlookupd. It waits for at most two seconds until they are closed.
func (l *lookupLink) leave(httpAddr string) error {
	if l.peers == 0 {
		return nil
	}
	client := http.Client{Timeout: leaveTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	url := "http://" + httpAddr + "/config/nsqlookupd_tcp_addresses"
	req, err := http.NewRequest(http.MethodPut, url, strings.NewReader("[]"))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("leave nsqlookupd: %w", err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()

	timeout := time.NewTimer(leaveTimeout)
	defer timeout.Stop()
	for range l.peers {
		select {
		case <-l.closed:
		case <-timeout.C:
			return nil // no error: a nsqlookupd that hangs removes the registration when it goes on and finds the connection closed
		}
	}
	return nil
}
