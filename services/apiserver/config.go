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
	Members(context.Context, registry.Query) (*registry.Membership, error)
	List(ctx context.Context, q registry.Query, now time.Time) (*registry.Membership, error)
	Explain(ctx context.Context, service, id string, now time.Time) (*registry.Explanation, error)
	Watch(context.Context) <-chan *registry.Membership
	Stats(context.Context) (registry.Stats, error)
}

// Node describes one nsqd. Reception and LagMS come from the registry.
type Node struct {
	Address   string `json:"address"`
	Connected bool   `json:"connected"`

	Reception   registry.Reception `json:"reception"`
	LagMS       int64              `json:"lag_ms"` // how long the last message waited in it
	LastMessage time.Time          `json:"last_message,omitzero"`
	Received    uint64             `json:"received"`        // messages since the process started
	Loss        float64            `json:"loss,omitempty"`  // ratio of the canaries that it accepted and did not deliver
	Error       string             `json:"error,omitempty"` // why it is not connected
}

// Config configures a Server. Registry, ID and Gatherer are required. The functions are called concurrently and must not
// block.
type Config struct {
	Registry Registry
	ID       string              // id of this API server
	Version  string              // version of the program
	Nodes    func() []Node       // every nsqd once; default: none
	Events   func() EventsState  // state of publishing lifecycle events; default: no error
	Ready    func() error        // an error makes /readyz a 503, whatever the registry says; default: nil
	Gatherer prometheus.Gatherer // source of /metrics; register the Server with it
	Log      *zap.Logger         // default: no log
	Now      func() time.Time    // default: time.Now

	// ServiceLabel returns the value of the label service in metrics. Default: the name, for the first 1000 registered services,
	// and "other" for the rest.
	ServiceLabel func(service string) string

	// ListBytes bounds the memory of long lists (more than 1000 entries) that clients have not read yet. Beyond it, a request for
	// a long list gets a 503. Default 128 MiB.
	ListBytes int64

	// Pick chooses a live server of a service for GET /v1/services/{service}/pick. An empty policy means the one configured for the
	// service; key is what the policy hash hashes. The errors ErrNoServer and ErrPolicy become a 503 and a 400, others a 500. If
	// Pick is nil, the path does not exist.
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
