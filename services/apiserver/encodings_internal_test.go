package apiserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func wants(filter string, generation uint64, at time.Duration) wanted {
	now := time.Unix(0, 0).Add(at)
	return wanted{listKey: listKey{filter: filter}, generation: generation, now: now, made: now, keep: time.Second, limited: true, until: time.Now().Add(listWait)}
}

func write(s string) func(context.Context, *text) error {
	return func(_ context.Context, t *text) error {
		_, err := t.Write([]byte(s))
		return err
	}
}

func (t *text) String() string {
	var b strings.Builder
	for _, p := range t.pieces {
		b.Write(p)
	}
	return b.String()
}

func TestWhichEncodingsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEncodings(1 << 20)
		get := func(w wanted, encode string) string {
			t.Helper()
			c, err := e.get(t.Context(), w, write(encode))
			if err != nil {
				t.Fatal(err)
			}
			defer e.release(c)
			return c.text.String()
		}
		for i, row := range []struct {
			name string
			w    wanted
			want string
		}{
			{"the first", wants("a", 5, 0), "1"},
			{"the same", wants("a", 5, 999*time.Millisecond), "1"},
			{"a request that began before the encoding", wants("a", 5, -time.Millisecond), "1"},
			{"another filter", wants("b", 5, 0), "4"},
			{"too old", wants("a", 5, time.Second), "5"},
			{"a newer membership", wants("a", 6, time.Second), "6"},
			{"an older membership gets the newer list", wants("a", 5, time.Second), "6"},
			{"a clock that was set back", wants("a", 6, 0), "8"},
		} {
			if got := get(row.w, fmt.Sprint(i+1)); got != row.want {
				t.Errorf("%s: got encoding %s, want %s", row.name, got, row.want)
			}
		}
	})
}

func TestMemoryOfEncodingsIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEncodings(10)
		c, err := e.get(t.Context(), wants("a", 1, 0), write("0123456789"))
		if err != nil || e.held != 10 {
			t.Fatalf("%v, %d bytes held", err, e.held)
		}
		broken := errors.New("broken")
		unlimited := wants("b", 1, 0)
		unlimited.limited = false
		if _, err := e.get(t.Context(), unlimited, func(context.Context, *text) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("got %v, want the error of the function encode", err)
		}
		w, begun := wants("b", 1, 0), time.Now()
		for err = errFreed; errors.Is(err, errFreed); {
			_, err = e.get(t.Context(), w, write("x"))
		}
		if took := time.Since(begun); !errors.Is(err, errBusy) || took != listWait {
			t.Errorf("got %v after %v, want errBusy after %v", err, took, listWait)
		}
		e.release(c) // no request uses the encoding, so it makes room for another one
		if c, err = e.get(t.Context(), wants("b", 1, 0), write("x")); err != nil || e.held != 1 {
			t.Fatalf("%v, %d bytes held", err, e.held)
		}
		e.release(c)
		time.Sleep(time.Second)
		synctest.Wait()
		if e.held != 0 || len(e.current) != 0 {
			t.Errorf("%d bytes and %d encodings after the time to keep them", e.held, len(e.current))
		}
	})
}

// A request stops waiting for memory when a list turns out to be smaller than expected.
func TestMemoryIsFreeWhenAListIsSmallerThanExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEncodings(10)
		done, second := make(chan struct{}), make(chan error, 1)
		var slow sync.WaitGroup
		defer slow.Wait()
		slow.Go(func() {
			large := wants("a", 1, 0)
			large.size = 10
			c, err := e.get(t.Context(), large, func(ctx context.Context, t *text) error { <-done; return write("x")(ctx, t) })
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Minute) // the client does not read
			e.release(c)
		})
		synctest.Wait()
		go func() {
			c, err := e.get(t.Context(), wants("b", 1, 0), write("y"))
			if err == nil {
				e.release(c)
			}
			second <- err
		}()
		synctest.Wait()
		close(done)
		if err := <-second; !errors.Is(err, errFreed) {
			t.Errorf("got %v, want errFreed", err)
		}
	})
}

func TestPanicWhileEncodingEndsTheWaitOfOtherRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEncodings(10)
		fail, others := make(chan struct{}), make(chan error, 3)
		go func() {
			defer func() { _ = recover() }()
			_, _ = e.get(t.Context(), wants("a", 1, 0), func(_ context.Context, t *text) error { _, _ = t.Write([]byte("half")); <-fail; panic("broken") })
		}()
		synctest.Wait()
		for range cap(others) {
			go func() {
				_, err := e.get(t.Context(), wants("a", 1, 0), write("x"))
				others <- err
			}()
		}
		synctest.Wait()
		close(fail)
		for range cap(others) {
			if err := <-others; !errors.Is(err, errEncode) {
				t.Errorf("got %v", err)
			}
		}
		if c, err := e.get(t.Context(), wants("a", 1, 0), write("x")); err != nil || c.text.String() != "x" {
			t.Errorf("got %v after the panic", err)
		}
		if e.held != 1 {
			t.Errorf("%d bytes held, want 1", e.held)
		}
	})
}

func TestNumberOfUnusedEncodingsIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEncodings(1 << 20)
		for i := range 10 * maxCurrent {
			c, err := e.get(t.Context(), wants(fmt.Sprint(i), 1, 0), write("x"))
			if err != nil {
				t.Fatal(err)
			}
			e.release(c)
			if len(e.current) > maxCurrent {
				t.Fatalf("%d encodings are kept", len(e.current))
			}
		}
	})
}

func TestText(t *testing.T) {
	for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, pieceRoom, 3*pieceSize + 7} {
		want := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		var whole, parts, entry text
		_, _ = whole.Write([]byte(want))
		for rest := want; rest != ""; {
			n := min(1000, len(rest))
			_, _ = parts.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		entry.set(append(entry.last(), want...))
		for name, text := range map[string]*text{"whole": &whole, "in parts": &parts, "in one entry": &entry} {
			if got := text.String(); got != want || text.size != int64(size) {
				t.Errorf("%s: %d bytes and size %d, want %d", name, len(got), text.size, size)
			}
			short := len(text.pieces) == 1 && size < pieceSize/2
			if text.shrink(); short == (len(text.pieces) > 0 && cap(text.pieces[0]) >= pieceRoom) && size > 0 {
				t.Errorf("%s: shrink made a piece of %d bytes with %d bytes of memory", name, size, cap(text.pieces[0]))
			}
			if text.String() != want || text.size != int64(size) {
				t.Errorf("%s: not the same after shrink", name)
			}
			if text.free(); text.size != 0 || len(text.pieces) != 0 {
				t.Errorf("%s: not empty after free", name)
			}
		}
	}
}
