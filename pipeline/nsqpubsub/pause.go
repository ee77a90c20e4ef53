package nsqpubsub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// Pause is a topic or channel that an operator has paused at one nsqd. This nsqd does not deliver the messages of the topic or channel.
type Pause struct {
	NSQD    string // HTTP address of the nsqd
	Topic   string
	Channel string // empty if the whole topic is paused
}

func (p Pause) String() string {
	if p.Channel == "" {
		return fmt.Sprintf("topic %s is paused at nsqd %s", p.Topic, p.NSQD)
	}
	return fmt.Sprintf("channel %s of topic %s is paused at nsqd %s", p.Channel, p.Topic, p.NSQD)
}

// Paused asks each nsqd that an nsqlookupd names whether the topic or the channel is paused. It cannot ask an nsqd that is only in
// Cluster.NSQD, because the HTTP address of such an nsqd is not known. If the error is not nil, the result may be incomplete.
func (c Cluster) Paused(ctx context.Context, topic, channel string) ([]Pause, error) {
	c.setDefaults()
	client := allNodes(&c).client()
	queried := make(map[string]bool)
	var paused []Pause
	var errs []error
	for _, lookupd := range c.Lookupd {
		addrs, err := httpAddresses(ctx, client, lookupd)
		errs = append(errs, err)
		for _, addr := range addrs {
			if queried[addr] {
				continue
			}
			queried[addr] = true
			found, err := pausedAt(ctx, client, addr, topic, channel)
			paused, errs = append(paused, found...), append(errs, err)
		}
	}
	return paused, errors.Join(errs...)
}

func httpAddresses(ctx context.Context, client *http.Client, lookupd string) ([]string, error) {
	u, err := lookupURL(lookupd)
	if err != nil {
		return nil, err
	}
	u.Path = "/nodes"
	var nodes struct {
		Producers []struct {
			Host string `json:"broadcast_address"`
			Port int    `json:"http_port"`
		} `json:"producers"`
	}
	if err := getJSON(ctx, client, u, &nodes); err != nil {
		return nil, err
	}
	var addrs []string
	for _, p := range nodes.Producers {
		addrs = append(addrs, net.JoinHostPort(p.Host, strconv.Itoa(p.Port)))
	}
	return addrs, nil
}

func pausedAt(ctx context.Context, client *http.Client, addr, topic, channel string) ([]Pause, error) {
	query := url.Values{"format": {"json"}, "topic": {topic}, "channel": {channel}, "include_clients": {"false"}, "include_mem": {"false"}}
	var stats struct {
		Topics []struct {
			Paused   bool `json:"paused"`
			Channels []struct {
				Paused bool `json:"paused"`
			} `json:"channels"`
		} `json:"topics"`
	}
	if err := getJSON(ctx, client, &url.URL{Scheme: "http", Host: addr, Path: "/stats", RawQuery: query.Encode()}, &stats); err != nil {
		return nil, err
	}
	var paused []Pause
	for _, t := range stats.Topics {
		if t.Paused {
			paused = append(paused, Pause{NSQD: addr, Topic: topic})
		}
		for _, c := range t.Channels {
			if c.Paused {
				paused = append(paused, Pause{NSQD: addr, Topic: topic, Channel: channel})
			}
		}
	}
	return paused, nil
}

func getJSON(ctx context.Context, client *http.Client, u *url.URL, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/vnd.nsq; version=1.0")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", u, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxResponse)).Decode(into); err != nil {
		return fmt.Errorf("GET %s: %w", u, err)
	}
	return nil
}
