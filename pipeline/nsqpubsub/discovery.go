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

// maxAnswer bounds what is read from nsqlookupd; a node takes about 300 bytes.
const maxAnswer = 16 << 20

// discovery finds the nsqd of a cluster: the static ones and those that nsqlookupd names.
type discovery struct {
	cluster *Cluster
	path    string // asked of each nsqlookupd
	query   string
	logger  watermill.LoggerAdapter // nil: silent

	mu   sync.Mutex
	last []LookupState // of each nsqlookupd, in the order of Cluster.Lookupd; empty before run
}

// allNodes finds every nsqd, whatever topics it has.
func allNodes(c *Cluster) *discovery { return &discovery{cluster: c, path: "/nodes"} }

// nodesOf finds the nsqd that have the topic.
func nodesOf(c *Cluster, topic string) *discovery {
	return &discovery{cluster: c, path: "/lookup", query: url.Values{"topic": {topic}}.Encode()}
}

// run tells found the nsqd known, first the static ones at once and then after each answer, until ctx
// ends. Settled says that each nsqlookupd has answered or failed. Found is never called concurrently.
func (d *discovery) run(ctx context.Context, found func(addrs []string, settled bool)) {
	answers := make(chan answer)
	client := d.client()
	var polls sync.WaitGroup
	d.mu.Lock()
	d.last = make([]LookupState, len(d.cluster.Lookupd))
	d.mu.Unlock()
	for i, addr := range d.cluster.Lookupd {
		d.note(answer{lookupd: i, err: errNoAnswer})
		polls.Go(func() { d.poll(ctx, client, i, addr, answers) })
	}
	defer polls.Wait()

	r := newRoster(d.cluster)
	for {
		found(r.at(time.Now()), r.settled())
		select {
		case a := <-answers:
			d.note(a)
			r.answered(a)
		case <-ctx.Done():
			return
		}
	}
}

// once asks each nsqlookupd one time.
func (d *discovery) once(ctx context.Context) []string {
	client := d.client()
	answers := make(chan answer, len(d.cluster.Lookupd))
	for i, addr := range d.cluster.Lookupd {
		go func() { answers <- d.ask(ctx, client, i, addr) }()
	}
	r := newRoster(d.cluster)
	for range d.cluster.Lookupd {
		r.answered(<-answers)
	}
	return r.at(time.Now())
}

// poll asks one nsqlookupd for ever. Each has a loop of its own, so that a hung one delays no other.
func (d *discovery) poll(ctx context.Context, client *http.Client, i int, addr string, answers chan<- answer) {
	var failing outage.Log
	for {
		a := d.ask(ctx, client, i, addr)
		if ctx.Err() == nil {
			d.report(&failing, addr, a.err)
		}
		select {
		case answers <- a:
		case <-ctx.Done():
			return
		}
		if !pause(ctx, jitter(d.cluster.LookupdPollInterval)) {
			return
		}
	}
}

func (d *discovery) report(failing *outage.Log, addr string, err error) {
	fields := watermill.LogFields{"nsqlookupd": addr}
	if err != nil {
		if failing.Failed(time.Now(), err) && d.logger != nil {
			d.logger.Error("nsqlookupd does not answer; asking on", err, fields)
		}
		return
	}
	if since, failed := failing.Succeeded(); failed && d.logger != nil {
		d.logger.Info("nsqlookupd answers again", fields.Add(watermill.LogFields{"since": since}))
	}
}

// client makes a connection for each question: one kept open may lead to a nsqlookupd that is gone.
func (d *discovery) client() *http.Client {
	return &http.Client{
		Timeout:   d.cluster.LookupdPollTimeout,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
}

func (d *discovery) ask(ctx context.Context, client *http.Client, i int, addr string) answer {
	addrs, err := d.get(ctx, client, addr)
	return answer{lookupd: i, addrs: addrs, err: err}
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
	body := io.LimitReader(resp.Body, maxAnswer)
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
		return nil, fmt.Errorf("decode the answer: %w; %s", err, notLookupd)
	}
	if body.Producers == nil {
		return nil, errors.New("the answer has no producers; " + notLookupd)
	}
	addrs := make([]string, 0, len(*body.Producers))
	for _, p := range *body.Producers {
		addrs = append(addrs, net.JoinHostPort(p.Host, strconv.Itoa(p.Port)))
	}
	return addrs, nil
}

// pause waits for d and tells whether ctx still holds.
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

// jitter is d and up to a tenth of it more or less.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}
