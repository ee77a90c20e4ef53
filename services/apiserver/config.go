package apiserver

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"rollcall/events"
	"rollcall/services/registry"
)

// Registry is the part of *registry.Registry that the API uses.
type Registry interface {
	Members(context.Context) (*registry.Membership, error)
	Vitals(ctx context.Context, blocks []*registry.Block, now time.Time, into []registry.Vitals) ([]registry.Vitals, error)
	Explain(ctx context.Context, service, id string, now time.Time) (*registry.Explanation, error)
	Watch(context.Context) <-chan *registry.Membership
	WatchService(ctx context.Context, name string) <-chan *registry.Membership
	Stats(context.Context) (registry.Stats, error)
}

// Node describes one nsqd. Reception and LagMS come from the registry.
type Node struct {
	Address   string `json:"address"`
	Connected bool   `json:"connected"`

	Reception   registry.Reception `json:"reception"`
	LagMS       int64              `json:"lag_ms"` // how long the last message waited in the nsqd
	LastMessage time.Time          `json:"last_message,omitzero"`
	Received    uint64             `json:"received"`        // messages since the process started
	Loss        float64            `json:"loss,omitempty"`  // ratio of the canaries (test messages) that the nsqd accepted but did not deliver
	Error       string             `json:"error,omitempty"` // why this process is not connected to the nsqd
}

// Config configures a Server. Registry, ID and Gatherer are required. The Server calls the functions concurrently; they must not block.
type Config struct {
	Registry Registry
	ID       string              // id of this API server
	Version  string              // version of the program
	Nodes    func() []Node       // returns every nsqd once; default: no nsqd
	Events   func() EventsState  // returns the state of publishing lifecycle events; default: no error
	Ready    func() error        // if it returns an error, /readyz is a 503, even if the registry is complete; default: no error
	Gatherer prometheus.Gatherer // source of /metrics; register the Server with it
	Log      *zap.Logger         // default: no log
	Now      func() time.Time    // default: time.Now

	// ServiceLabel returns the value of the label "service" of the metrics. The default is the name of the service for the first 1000
	// registered services, and "other" for all further services.
	ServiceLabel func(service string) string

	// ListBytes bounds the memory of long lists (for which more than 1000 servers or services must be read) that clients have not read yet. Clients that have the same list
	// share its memory. While the bound is reached, a request for another long list waits for 2 s and then gets a 503. Default 128 MiB.
	ListBytes int64

	// Pick chooses a live server of a service for GET /v1/services/{service}/pick. An empty policy means the policy that is configured for
	// the service. Only the policy "hash" uses the parameter key. The API responds to ErrNoServer with 503, to ErrPolicy with 400, and to
	// other errors with 500. If Pick is nil, the path does not exist.
	Pick func(ctx context.Context, service, policy, key string) (*events.Server, error)
}

func (c *Config) setDefaults() {
	if c.Nodes == nil {
		c.Nodes = func() []Node { return nil }
	}
	if c.Events == nil {
		c.Events = func() EventsState { return EventsState{} }
	}
	if c.Ready == nil {
		c.Ready = func() error { return nil }
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	c.ListBytes = cmp.Or(c.ListBytes, heldBytes)
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Validate returns an error that names every missing field.
func (c Config) Validate() error {
	var errs []error
	if c.Registry == nil {
		errs = append(errs, errors.New("apiserver: registry is nil"))
	}
	if c.ID == "" {
		errs = append(errs, errors.New("apiserver: id is empty"))
	}
	if c.Gatherer == nil {
		errs = append(errs, errors.New("apiserver: gatherer is nil"))
	}
	return errors.Join(errs...)
}
