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

// Registry is what the API asks; *registry.Registry answers.
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
	Received    uint64             `json:"received"`        // messages since the start
	Loss        float64            `json:"loss,omitempty"`  // part of the canaries that it took and did not deliver
	Error       string             `json:"error,omitempty"` // why it is not connected
}

// Config of a Server. Registry, ID and Gatherer are required. The functions are called from many
// goroutines and must not block.
type Config struct {
	Registry Registry
	ID       string              // of this API server
	Version  string              // of the program
	Nodes    func() []Node       // each nsqd once; default none
	Events   func() EventsState  // how the lifecycle events are published; default as they should be
	Ready    func() error        // nil, or why nobody should be sent here, whatever the roll is; default nil
	Gatherer prometheus.Gatherer // what /metrics shows; register the Server itself with it
	Log      *zap.Logger         // default none
	Now      func() time.Time    // default time.Now

	// ServiceLabel is the value of the label service in metrics. Default: the name of each of the first 1000 services on the
	// roll, and other for the rest.
	ServiceLabel func(service string) string

	// ListBytes bounds the memory of lists of more than 1000 entries that their clients have not read yet: beyond it such
	// a list is a 503. Default 128 MiB.
	ListBytes int64

	// Pick chooses a live server of a service for GET /v1/services/{service}/pick: by a policy, or by the service's own
	// where that is empty; key is what is hashed. Its errors are ErrNoServer and ErrPolicy, or a failure of its own.
	// Default nil: there is no such path.
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

// Validate names every field that is missing.
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
