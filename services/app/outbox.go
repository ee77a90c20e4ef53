package app

import (
	"context"
	"time"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/services/apiserver"
	"rollcall/services/registry"
)

func eventsState(p *pipeline.TopicPublisher) apiserver.EventsState {
	since, err := p.Failing()
	return apiserver.EventsState{Unpublishable: p.Unpublishable(), FailingSince: since, Err: err}
}

// flushTimeout is the time limit for publishing the remaining events when the API server stops.
const flushTimeout = 2 * time.Second

// flush publishes the events that the router has not published.
func flush(p *pipeline.TopicPublisher, s *pipeline.Source[events.Event], r *registry.Registry) error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return pipeline.Flush(ctx, p, s, r.Unsent())
}
