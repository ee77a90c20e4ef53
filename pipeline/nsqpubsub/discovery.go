package nsqpubsub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"

	"rollcall/pipeline/outage"
)

// maxResponse is the maximum size of a response of nsqlookupd: enough for 50 000 nsqd, which take about 300 bytes each.
const maxResponse = 16 << 20

// discovery finds the nsqd of a cluster: the nsqd in Cluster.NSQD, and the nsqd that an nsqlookupd names.
type discovery struct {
	cluster *Cluster
	path    string // URL path of the queries to nsqlookupd
	query   string
	logger  watermill.LoggerAdapter // may be nil

	mu   sync.Mutex
	last []LookupState // last result of each nsqlookupd, in the order of Cluster.Lookupd; empty before the method run is called
}

// allNodes returns a discovery of all nsqd of the cluster, whatever their topics.
func allNodes(c *Cluster) *discovery { return &discovery{cluster: c, path: "/nodes"} }

// nodesOf returns a discovery of the nsqd in Cluster.NSQD and of the nsqd that have the topic according to nsqlookupd.
func nodesOf(c *Cluster, topic string) *discovery {
	return &discovery{cluster: c, path: "/lookup", query: url.Values{"topic": {topic}}.Encode()}
}

// run calls the function found with the addresses of the known nsqd until ctx ends: at once with the nsqd in Cluster.NSQD, and then
// after each query of an nsqlookupd. The argument settled is true if every nsqlookupd has responded or failed at least once. The calls
// are sequential.
func (d *discovery) run(ctx context.Context, found func(addrs []string, settled bool)) {
	results := make(chan lookupResult)
	client := d.client()
	var polls sync.WaitGroup
	d.mu.Lock()
	d.last = make([]LookupState, len(d.cluster.Lookupd))
	d.mu.Unlock()
	for i, addr := range d.cluster.Lookupd {
		d.record(lookupResult{lookupd: i, err: errNotQueried})
		polls.Go(func() { d.poll(ctx, client, i, addr, results) })
	}
	defer polls.Wait()

	known := newKnownNodes(d.cluster)
	for {
		found(known.at(time.Now()), known.settled())
		select {
		case r := <-results:
			d.record(r)
			known.add(r)
		case <-ctx.Done():
			return
		}
	}
}

// once returns the addresses of the known nsqd after a single query of each nsqlookupd.
func (d *discovery) once(ctx context.Context) []string {
	client := d.client()
	results := make(chan lookupResult, len(d.cluster.Lookupd))
	for i, addr := range d.cluster.Lookupd {
		go func() { results <- d.lookup(ctx, client, i, addr) }()
	}
	known := newKnownNodes(d.cluster)
	for range d.cluster.Lookupd {
		known.add(<-results)
	}
	return known.at(time.Now())
}

// poll queries one nsqlookupd repeatedly. Each nsqlookupd has its own goroutine, so that a hung nsqlookupd does not delay the others.
func (d *discovery) poll(ctx context.Context, client *http.Client, i int, addr string, results chan<- lookupResult) {
	var failing outage.Log
	for {
		r := d.lookup(ctx, client, i, addr)
		if ctx.Err() == nil {
			d.logOutage(&failing, addr, r.err)
		}
		select {
		case results <- r:
		case <-ctx.Done():
			return
		}
		if !pause(ctx, jitter(d.cluster.LookupdPollInterval)) {
			return
		}
	}
}

func (d *discovery) logOutage(failing *outage.Log, addr string, err error) {
	fields := watermill.LogFields{"nsqlookupd": addr}
	if err != nil {
		if failing.Failed(time.Now(), err) && d.logger != nil {
			d.logger.Error("nsqlookupd does not respond; retrying", err, fields)
		}
		return
	}
	if since, failed := failing.Succeeded(); failed && d.logger != nil {
		d.logger.Info("nsqlookupd responds again", fields.Add(watermill.LogFields{"since": since}))
	}
}

// client returns an HTTP client that uses a new connection for each query, because an idle connection can lead to an nsqlookupd that is
// gone.
func (d *discovery) client() *http.Client {
	return &http.Client{
		Timeout:   d.cluster.LookupdPollTimeout,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
}

func (d *discovery) lookup(ctx context.Context, client *http.Client, i int, addr string) lookupResult {
	addrs, err := d.get(ctx, client, addr)
	return lookupResult{lookupd: i, addrs: addrs, err: err}
}

func (d *discovery) get(ctx context.Context, client *http.Client, addr string) ([]string, error) {
	u, err := lookupURL(addr)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawQuery = d.path, d.query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/vnd.nsq; version=1.0")
	resp, err := client.Do(req)
	if err != nil {
		return nil, explainFailure(err)
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxResponse)
	if resp.StatusCode != http.StatusOK {
		return nil, explainStatus(u.Path, resp, body)
	}
	return decodeNodes(body)
}

func decodeNodes(r io.Reader) ([]string, error) {
	var body struct {
		Producers *[]struct {
			Host string `json:"broadcast_address"`
			Port int    `json:"tcp_port"`
		} `json:"producers"`
	}
	if err := json.NewDecoder(r).Decode(&body); err != nil {
		return nil, fmt.Errorf("decode response: %w; %s", err, notLookupd)
	}
	if body.Producers == nil {
		return nil, errors.New("response has no producers; " + notLookupd)
	}
	addrs := make([]string, 0, len(*body.Producers))
	for _, p := range *body.Producers {
		addrs = append(addrs, net.JoinHostPort(p.Host, strconv.Itoa(p.Port)))
	}
	return addrs, nil
}

// pause waits for the duration d and returns true. If ctx ends first, it returns false at once.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jitter returns the duration d, changed at random by up to a tenth.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}
