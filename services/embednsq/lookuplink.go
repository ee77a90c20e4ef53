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

// lookupLink closes nsqd's connections to nsqlookupd. Exit forgets them open, which is harmless in a
// process that ends; here nsqlookupd would go on naming an nsqd that is gone, for 300 seconds.
//
// Taking the addresses out of the running configuration makes nsqd close the connections, in a goroutine
// that it ends on Exit and that tells of its progress in the log only.
type lookupLink struct {
	next  nsqd.Logger
	peers int
	left  chan struct{}
}

// watchLookups puts itself between nsqd and its logger.
func watchLookups(opts *nsqd.Options) *lookupLink {
	n := len(opts.NSQLookupdTCPAddresses)
	l := &lookupLink{next: opts.Logger, peers: n, left: make(chan struct{}, n)}
	if n > 0 {
		opts.Logger = l
	}
	return l
}

func (l *lookupLink) Output(depth int, line string) error {
	if strings.Contains(line, "): removing peer") {
		select {
		case l.left <- struct{}{}:
		default:
		}
	}
	return l.next.Output(depth+1, line)
}

// leave returns once nsqd has left every nsqlookupd, or after two seconds.
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
		case <-l.left:
		case <-timeout.C:
			return nil // one that hangs drops the registration by itself
		}
	}
	return nil
}
