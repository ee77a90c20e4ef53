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
	smallList   = 1000             // entries; a shorter list is answered without a limit
	listWait    = 2 * time.Second  // how long a request waits until its list can be encoded
	heldBytes   = int64(128) << 20 // of lists that their clients have not read yet
	scrapesMost = 10               // scrapes of /metrics at once
)

var errBusy = errors.New("too many long lists are in flight")

// lists bounds the long lists in flight. Each one holds an encoding of its own until the client has read it, and takes
// processor time that the heartbeats need.
type lists struct {
	turns chan struct{} // one place for each list that may be encoded now: for half of the processors
	held  atomic.Int64  // bytes of the encodings that clients have not read yet
	most  int64         // no list is encoded while held is at least that
}

func newLists(most int64) *lists {
	return &lists{turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), most: most}
}

// encode builds and encodes a list, one list a turn. The caller must call release when the client has read it. The
// memory in use is at most the limit and one list for each turn.
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
	if l.held.Load() >= l.most {
		return nil, fmt.Errorf("%w: their clients have not read %d bytes yet", errBusy, l.most)
	}
	answer, err := build()
	if err != nil {
		return nil, err
	}
	body, err := encodeJSON(answer)
	l.held.Add(int64(len(body)))
	return body, err
}

func (l *lists) release(body []byte) { l.held.Add(-int64(len(body))) }

// respondList answers with the list that build makes. entries is its length, as far as it is known before.
func (s *Server) respondList(ctx context.Context, w http.ResponseWriter, entries int, build func() (any, error)) error {
	if entries <= smallList {
		answer, err := build()
		if err != nil {
			return err
		}
		return respondJSON(w, answer)
	}
	body, err := s.lists.encode(ctx, build)
	if err != nil {
		return err
	}
	defer s.lists.release(body)
	respond(w, http.StatusOK, jsonType, body)
	return nil
}

// encodeJSON ends with a line feed.
func encodeJSON(answer any) ([]byte, error) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(answer); err != nil { // writes once, so that nothing is left over
		return nil, fmt.Errorf("apiserver: encode: %w", err)
	}
	return body.Bytes(), nil
}
