package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	smallList  = 1000             // entries of a list; only longer lists have the limits below
	maxLong    = 64               // requests for long lists that are served at once
	maxWaiting = 512              // requests for long lists that wait until they are served
	listWait   = 2 * time.Second  // how long a request waits until it is served, and how long for memory for an encoding
	heldBytes  = int64(128) << 20 // default of Config.ListBytes
	maxScrapes = 10               // scrapes of /metrics at once

	// Limits for a client that reads a long response.
	pieceTimeout = 10 * time.Second // time to read a piece
	slowest      = 1 << 20          // bytes per second, after the first 30 s
)

// How old an encoding may be.
const (
	keepVitals     = 250 * time.Millisecond // a tick of the registry: seq, last_seen, age_ms, load and via change with each heartbeat
	keepMembership = time.Minute            // the list changes with the membership only
)

var errBusy = errors.New("too many long responses are in flight")

// lists encodes and writes lists. Requests for the same list share its encoding. Limits keep lists from using the processor time that
// heartbeats need.
type lists struct {
	long      chan struct{} // has a value for each request for a long list that is served
	waiting   chan struct{} // has a value for each request that waits for room in the channel long
	encodings *encodings
	encoding  turns // for reading, encoding and compressing
	writing   turns // for writing to clients
}

func newLists(maxHeld int64) *lists {
	return &lists{make(chan struct{}, maxLong), make(chan struct{}, maxWaiting), newEncodings(maxHeld), newTurns(), newTurns()}
}

// enter waits until a request for a long list may be served, and reports whether it had to wait. Unless it returns an error, the caller calls
// leave afterwards. If too many requests wait, enter returns errBusy at once.
func (l *lists) enter(ctx context.Context) (waited bool, err error) {
	select {
	case l.long <- struct{}{}:
		return false, nil
	default:
	}
	select {
	case l.waiting <- struct{}{}:
		defer func() { <-l.waiting }()
	default:
		return false, fmt.Errorf("%w: %d requests for lists of more than %d entries wait", errBusy, maxWaiting, smallList)
	}
	wait := time.NewTimer(listWait)
	defer wait.Stop()
	select {
	case l.long <- struct{}{}:
		return true, nil
	case <-wait.C:
		return true, fmt.Errorf("%w: %d lists of more than %d entries have been in flight for %v", errBusy, maxLong, smallList, listWait)
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

func (l *lists) leave() { <-l.long }

// list describes a list that a handler responds with.
type list struct {
	filter     string        // the query; two lists of the same path and filter are the same
	entries    int           // how many servers or services must be read at most; if it is above smallList, the list is long
	entrySize  int           // approximate bytes of an entry
	generation uint64        // of the membership
	now        time.Time     // by Config.Now
	etag       string        // header field of the response; may be empty
	keep       time.Duration // how old an encoding may be

	// check returns an error if the client must not get a list with this number of entries.
	check func(entries int) error

	// encode appends the list to the text. It works in steps that take turns of lists.encoding.
	encode func(context.Context, *text) error
}

// respondList responds with the list that current returns. If the request must wait before its list is encoded, respondList calls current again
// after the wait, because the membership may have changed.
func (s *Server) respondList(ctx context.Context, w http.ResponseWriter, r *http.Request, current func() (list, error)) error {
	of, err := current()
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept-Encoding") // also of a 304
	if of.etag != "" && unchanged(w, r, of.etag) {
		return nil
	}
	if of.entries > smallList {
		waited, err := s.lists.enter(ctx)
		if err != nil {
			return err
		}
		defer s.lists.leave()
		if waited {
			if of, err = current(); err != nil {
				return err
			}
		}
	}
	until := time.Now().Add(listWait)
	e, zipped, err := s.encoded(ctx, r, of, until)
	for errors.Is(err, errFreed) {
		if of, err = current(); err == nil {
			e, zipped, err = s.encoded(ctx, r, of, until)
		}
	}
	if err != nil {
		return err
	}
	defer s.lists.encodings.release(e)
	if err := of.check(e.text.entries); err != nil {
		return err
	}
	if e.etag != "" {
		w.Header().Set("ETag", e.etag)
	}
	if zipped {
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.FormatInt(e.text.size, 10))
	limitWrite(w)
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		s.lists.write(r.Context(), w, &e.text)
	}
	return nil
}

// encoded returns the encoding of a list that the client accepts. The caller must release the encoding. The errors of waits for memory are
// those of encodings.get.
func (s *Server) encoded(ctx context.Context, r *http.Request, of list, until time.Time) (e *encoding, zipped bool, err error) {
	want := wanted{
		listKey:    listKey{path: r.Pattern, filter: of.filter},
		generation: of.generation, etag: of.etag, now: of.now, made: of.now, keep: of.keep, size: int64(of.entries * of.entrySize),
		limited: of.entries > smallList, until: until,
	}
	e, err = s.lists.encodings.get(ctx, want, of.encode)
	if err != nil || e.text.size < gzipFrom || !acceptsGzip(r.Header) {
		return e, false, err
	}
	defer s.lists.encodings.release(e)
	want.gzip, want.generation, want.etag, want.made, want.size = true, e.generation, e.etag, e.made, e.text.size/4
	want.limited = false // it must not wait for memory while it uses e, or such requests would wait for each other
	zip, err := s.lists.encodings.get(ctx, want, func(ctx context.Context, to *text) error {
		return compress(ctx, s.lists.encoding, &e.text, to)
	})
	return zip, true, err
}

// write writes the text to a client. It ignores errors of w, because they mean that the client's connection is broken or that the client
// reads too slowly. Then net/http closes the connection.
func (l *lists) write(ctx context.Context, w http.ResponseWriter, t *text) {
	if len(t.pieces) == 1 {
		_, _ = w.Write(t.pieces[0])
		return
	}
	var (
		control = http.NewResponseController(w)
		turn    = turnWriter{turns: l.writing}
		end     = time.Now().Add(writeTimeout + time.Duration(t.size/slowest)*time.Second)
	)
	for _, piece := range t.pieces {
		err := turn.do(ctx, func() error {
			limit := time.Now().Add(pieceTimeout)
			if end.Before(limit) {
				limit = end
			}
			_ = control.SetWriteDeadline(limit)
			_, err := w.Write(piece)
			return err
		})
		if err != nil {
			return
		}
	}
}

// encodeJSON encodes v, with a line feed at the end.
func encodeJSON(v any) ([]byte, error) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		return nil, fmt.Errorf("apiserver: encode: %w", err)
	}
	return body.Bytes(), nil
}
