package apiserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// encoding is an encoded list. All requests that ask for the same list share it. The fields text and err are valid and never change once
// done is closed, until the last reader has released the encoding.
type encoding struct {
	text text
	err  error
	done chan struct{}

	generation uint64    // of the membership
	etag       string    // header field of the response; may be empty
	made       time.Time // when the encoding was begun, by Config.Now

	// encodings.mu guards the fields below.
	readers int   // number of requests that use the encoding, and one more while encodings.current has it
	held    int64 // what the encoding adds to encodings.held
}

// listKey identifies a list.
type listKey struct {
	path   string
	filter string // the query
	gzip   bool
}

// maxCurrent bounds how many encodings wait for another request, because each filter is a list of its own.
const maxCurrent = 256

var (
	errEncode = errors.New("apiserver: a list could not be encoded")
	errFreed  = errors.New("apiserver: the request waited for memory, and must be made again")
)

// encodings has the encodings that are in use or may be used again.
type encodings struct {
	mu      sync.Mutex
	current map[listKey]*encoding
	held    int64         // bytes of all encodings
	max     int64         // bound of held: while it is reached, no encoding of a long list is begun
	freed   chan struct{} // closed and replaced when memory may have become free
}

func newEncodings(maxHeld int64) *encodings {
	return &encodings{current: make(map[listKey]*encoding), max: maxHeld, freed: make(chan struct{})}
}

// wanted says which encoding a request wants.
type wanted struct {
	listKey
	generation uint64        // of the membership; an encoding of a newer membership is as good
	etag       string        // of a new encoding
	now        time.Time     // by Config.Now
	made       time.Time     // when the encoding is begun if there is none that can be shared
	keep       time.Duration // how old the encoding may be
	size       int64         // expected size in bytes
	limited    bool          // the encoding must wait while the bound of memory is reached
	until      time.Time     // end of this wait
}

// get returns an encoding with the properties w. If there is none, get calls encode to make it, and other requests share it from then on,
// also while it is being made. The caller must release the encoding. If the bound of memory is reached, get waits until memory may have become
// free, and returns errFreed, or waits until w.until, and returns errBusy.
func (e *encodings) get(ctx context.Context, w wanted, encode func(context.Context, *text) error) (*encoding, error) {
	shared, mine, freed := e.reserve(w)
	if shared == nil {
		return nil, e.wait(ctx, w, freed)
	}
	if mine {
		e.make(ctx, w, shared, encode)
	}
	select {
	case <-shared.done:
	case <-ctx.Done():
		e.release(shared)
		return nil, ctx.Err()
	}
	if err := shared.err; err != nil {
		e.release(shared)
		return nil, err
	}
	return shared, nil
}

// wait waits for memory. It always returns an error.
func (e *encodings) wait(ctx context.Context, w wanted, freed <-chan struct{}) error {
	end := time.NewTimer(time.Until(w.until))
	defer end.Stop()
	select {
	case <-freed:
		return errFreed
	case <-ctx.Done():
		return ctx.Err()
	case <-end.C:
		return fmt.Errorf("%w: clients have not read %d bytes of them yet", errBusy, e.max)
	}
}

// reserve returns the current encoding, or a new encoding that the caller must make. If there is no memory for a new encoding, it returns a
// channel that is closed when memory may have become free.
func (e *encodings) reserve(w wanted) (shared *encoding, mine bool, freed <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.current[w.listKey]; old != nil {
		// The age is negative if the request began before the encoding, or if the clock was set back.
		if age := w.now.Sub(old.made).Abs(); old.generation >= w.generation && age < w.keep {
			old.readers++
			return old, false, nil
		}
		e.forget(w.listKey, old)
	}
	if w.limited && e.held >= e.max || len(e.current) >= maxCurrent {
		e.forgetUnread()
	}
	if w.limited && e.held >= e.max {
		return nil, false, e.freed
	}
	made := &encoding{done: make(chan struct{}), generation: w.generation, etag: w.etag, made: w.made, readers: 2, held: w.size}
	e.held += w.size
	e.current[w.listKey] = made
	return made, true, nil
}

// make makes an encoding. It continues when ctx ends, because other requests wait for the encoding.
func (e *encodings) make(ctx context.Context, w wanted, c *encoding, encode func(context.Context, *text) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
	defer cancel()
	defer close(c.done)
	c.err = errEncode // stays if encode panics
	defer e.made(w, c)
	c.err = encode(ctx, &c.text)
	c.text.shrink()
}

// made accounts for the memory of c. If c has no error, it is current until it is too old.
func (e *encodings) made(w wanted, c *encoding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.text.size < c.held { // the list is smaller than expected
		e.wake()
	}
	e.held += c.text.size - c.held
	c.held = c.text.size
	if c.err != nil {
		e.forget(w.listKey, c)
		if errors.Is(c.err, errEncode) {
			e.leave(c) // encode has panicked, so the caller of make does not release c
		}
		return
	}
	time.AfterFunc(w.keep, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.forget(w.listKey, c)
	})
}

// release says that the caller of get does not use c any more.
func (e *encodings) release(c *encoding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leave(c)
}

// forget takes c out of the current encodings, if it is still there. The caller holds e.mu.
func (e *encodings) forget(key listKey, c *encoding) {
	if e.current[key] == c {
		delete(e.current, key)
		e.leave(c)
	}
}

// forgetUnread forgets the encodings that no request uses. The caller holds e.mu.
func (e *encodings) forgetUnread() {
	for key, c := range e.current {
		if c.readers == 1 {
			e.forget(key, c)
		}
	}
}

// leave ends one use of c, and frees the memory of c after the last one. The caller holds e.mu.
func (e *encodings) leave(c *encoding) {
	c.readers--
	if c.readers <= 1 { // a request may wait to make room with forgetUnread
		e.wake()
	}
	if c.readers == 0 {
		c.text.free()
		e.held -= c.held
	}
}

// wake wakes the requests that wait for memory, if there can be such requests. The caller holds e.mu, and has not changed e.held yet.
func (e *encodings) wake() {
	if e.held >= e.max {
		close(e.freed)
		e.freed = make(chan struct{})
	}
}
