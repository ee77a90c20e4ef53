package figures

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

const (
	crowdServices = 20
	crowdInterval = 5 * time.Second // interval of the heartbeats of a server
	crowdBatch    = time.Millisecond
	firstSeq      = 1_000_000_000 // has as many digits as each later seq
)

// crowd publishes the heartbeats of many servers. The servers send in turn, evenly spread over crowdInterval, and every 20th server is of
// the same service. To cost little, the crowd prepares the heartbeats, renews the seq in them, and publishes what is due in a millisecond
// as one MPUB. It can also restart servers.
type crowd struct {
	restarts  atomic.Int64                // servers to restart per second; 0 at first
	restarted [crowdServices]atomic.Int64 // number of restarts of servers of each service

	beats    []crowdBeat
	producer *nsq.Producer
	stop     context.CancelFunc
	running  sync.WaitGroup
	failed   error
}

// crowdBeat is the next heartbeat of a server. The slices incarnation and seq are parts of the body.
type crowdBeat struct{ body, incarnation, seq []byte }

func crowdService(server int) string { return fmt.Sprintf("service-%02d", server%crowdServices) }

func crowdID(server int) string { return fmt.Sprintf("%016x", server) }

func newCrowdBeat(server int, incarnation int64) crowdBeat {
	// No server listens at these addresses of the loopback network, so a probe fails at once.
	body := fmt.Appendf(nil, `{"v":1,"type":"heartbeat","service":%q,"id":%q,"addr":"127.%d.%d.%d:9","incarnation":%d,"seq":%d,"interval_ms":%d,"ttl_ms":%d,`+
		`"weight":100,"zone":"a","version":"1.4.2","tags":["blue"],"meta":{"rack":"r7"},"load":{"in_flight":3}}`,
		crowdService(server), crowdID(server), 1+server>>16, server>>8&255, server&255, incarnation, firstSeq,
		crowdInterval.Milliseconds(), 2*crowdInterval.Milliseconds())
	field := func(value string) []byte {
		at := bytes.Index(body, []byte(value))
		return body[at : at+len(value)]
	}
	return crowdBeat{body, field(strconv.FormatInt(incarnation, 10)), field(strconv.Itoa(firstSeq))}
}

// increment adds one to a decimal number. It keeps the number of digits.
func increment(digits []byte) {
	for i, d := range slices.Backward(digits) {
		if d != '9' {
			digits[i]++
			return
		}
		digits[i] = '0'
	}
}

// startCrowd starts a crowd. It publishes until Stop, or until the end of the benchmark.
func startCrowd(b *testing.B, nsqd string, servers int) *crowd {
	b.Helper()
	c := &crowd{}
	for i := range servers {
		c.beats = append(c.beats, newCrowdBeat(i, time.Now().UnixMilli()))
	}
	var err error
	c.producer, err = nsq.NewProducer(nsqd, nsq.NewConfig())
	fixture.Must(b, err)
	c.producer.SetLoggerLevel(nsq.LogLevelError)
	fixture.Must(b, c.producer.Ping())
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	c.running.Go(func() { c.failed = c.run(ctx) })
	b.Cleanup(func() { c.Stop(b) })
	return c
}

// Stop returns when the crowd has stopped. It fails the benchmark if the crowd could not publish.
func (c *crowd) Stop(b *testing.B) {
	b.Helper()
	c.stop()
	c.running.Wait()
	c.producer.Stop()
	if c.failed != nil {
		b.Error(c.failed)
	}
}

func (c *crowd) run(ctx context.Context) error {
	perSecond := float64(len(c.beats)) / crowdInterval.Seconds()
	begun := time.Now()
	every := time.NewTicker(crowdBatch)
	defer every.Stop()
	var batch [][]byte
	last, restarts, server := 0., 0., 0
	for sent := 0; ; {
		select {
		case <-every.C:
		case <-ctx.Done():
			return nil
		}
		batch = batch[:0]
		due := time.Since(begun).Seconds()
		for ; sent < int(due*perSecond) && len(batch) < len(c.beats); sent++ {
			beat := c.beats[sent%len(c.beats)]
			increment(beat.seq)
			batch = append(batch, beat.body)
		}
		restarts += (due - last) * float64(c.restarts.Load())
		for last = due; restarts >= 1; restarts-- {
			batch = append(batch, c.restart(server%len(c.beats)))
			server++
		}
		if len(batch) == 0 {
			continue
		}
		if err := c.producer.MultiPublish(events.HeartbeatTopic, batch); err != nil {
			return fmt.Errorf("crowd: %w", err)
		}
	}
}

func (c *crowd) restart(server int) []byte {
	beat := c.beats[server]
	increment(beat.incarnation)
	increment(beat.seq)
	c.restarted[server%crowdServices].Add(1)
	return beat.body
}

// awaitRegistered returns when the API server has registered all servers and published their events.
func (c *crowd) awaitRegistered(b *testing.B, a *harness.APIServer) {
	b.Helper()
	a.Await(b, time.Minute, "all servers are registered", func() bool {
		fixture.Sleep(200 * time.Millisecond) // a status costs milliseconds if there are many servers
		st, err := a.Status()
		return err == nil && st.Servers.Alive == len(c.beats) && st.Outbox.Length == 0
	})
}

// noSuspects fails the benchmark if a server became suspect. A server that sends its heartbeats must never become suspect, however busy the
// API server is.
func (c *crowd) noSuspects(b *testing.B, a *harness.APIServer) {
	b.Helper()
	st, err := a.Status()
	fixture.Must(b, err)
	if n := a.Metric(b, "rollcall_transitions_total{", `type="suspected"`); n > 0 || st.Servers.Alive != len(c.beats) {
		b.Errorf("%v servers became suspect; of %d servers %d are alive", n, len(c.beats), st.Servers.Alive)
	}
}

// lags returns how long heartbeats waited in NSQ, in milliseconds, sorted. It takes the newest two heartbeats of up to 1000 servers.
func (c *crowd) lags(b *testing.B, a *harness.APIServer) []float64 {
	b.Helper()
	var lags []float64
	for server := 0; server < len(c.beats); server += max(1, len(c.beats)/1000) {
		body := a.GetBody(b, "/v1/servers/"+crowdService(server)+"/"+crowdID(server))
		var explained struct {
			Heartbeats []struct {
				DelayMS float64 `json:"delay_ms"`
			}
		}
		fixture.Must(b, json.Unmarshal(body, &explained))
		for _, h := range explained.Heartbeats[max(0, len(explained.Heartbeats)-2):] {
			lags = append(lags, h.DelayMS)
		}
	}
	slices.Sort(lags)
	return lags
}
