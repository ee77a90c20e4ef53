package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	smallList  = 1000             // entries of a list; the limits apply only to longer lists
	listWait   = 2 * time.Second  // how long a request waits for its turn to encode
	heldBytes  = int64(128) << 20 // default of Config.ListBytes
	maxScrapes = 10               // scrapes of /metrics at once
)

var errBusy = errors.New("too many long responses are in flight")

// lists limits the long lists in flight. The encoding of a long list stays in memory until the client has read it, and encoding takes
// processor time that the heartbeats need.
type lists struct {
	turns chan struct{} // limits how many lists are encoded at once, to half of the number of processors
	held  atomic.Int64  // bytes of encodings that clients have not read yet
	max   int64         // bound of the field held: while it is reached, no further list is encoded
}

func newLists(maxHeld int64) *lists {
	return &lists{turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), max: maxHeld}
}

// encode waits for a turn, then builds and encodes a list. The caller calls release when the client has read the encoding. The size of a
// list is known only after it is encoded, so l.held can exceed l.max by one list for each turn.
func (l *lists) encode(ctx context.Context, build func() (any, error)) ([]byte, error) {
	wait := time.NewTimer(listWait)
	defer wait.Stop()
	select {
	case l.turns <- struct{}{}:
	case <-wait.C:
		return nil, fmt.Errorf("%w: no list could be encoded within %v", errBusy, listWait)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-l.turns }()
	if l.held.Load() >= l.max {
		return nil, fmt.Errorf("%w: clients have not read %d bytes of them yet", errBusy, l.max)
	}
	list, err := build()
	if err != nil {
		return nil, err
	}
	body, err := encodeJSON(list)
	l.held.Add(int64(len(body)))
	return body, err
}

func (l *lists) release(body []byte) { l.held.Add(-int64(len(body))) }

// respondList responds with the list that the function build returns. The parameter entries is the approximate length of this list. It
// decides whether the limits for long lists apply.
func (s *Server) respondList(ctx context.Context, w http.ResponseWriter, entries int, build func() (any, error)) error {
	if entries <= smallList {
		list, err := build()
		if err != nil {
			return err
		}
		return respondJSON(w, list)
	}
	body, err := s.lists.encode(ctx, build)
	if err != nil {
		return err
	}
	defer s.lists.release(body)
	respond(w, http.StatusOK, jsonType, body)
	return nil
}

// encodeJSON encodes v, with a line feed at the end.
func encodeJSON(v any) ([]byte, error) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		return nil, fmt.Errorf("apiserver: encode: %w", err)
	}
	return body.Bytes(), nil
}
