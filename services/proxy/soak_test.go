package proxy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
)

// Every request gets its own, complete response while clients disconnect and servers reset connections, restart, leave and come back.
func TestResponsesMatchRequests(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Token")
		w.Header().Set("X-Token", token)
		switch rand.IntN(12) {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			_, _ = io.WriteString(w, token)
			return
		case 2:
			w.WriteHeader(http.StatusNoContent)
			return
		case 3:
			w.WriteHeader(http.StatusEarlyHints)
		case 4:
			fixture.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%s %d ", token, n)
		if rand.IntN(2) == 0 {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(make([]byte, rand.IntN(100_000)))
		_, _ = fmt.Fprintf(w, " end %s", token)
	}
	var addrs []string
	for range 4 {
		addrs = append(addrs, backend(t, handler))
	}
	members := func(round int) []*events.Server {
		var s []*events.Server
		for i, a := range addrs {
			if (round+i)%5 == 0 {
				continue
			}
			m := server(fmt.Sprint("s", i), a)
			m.Incarnation = int64(1 + (round+i)/3)
			if (round+i)%7 == 0 {
				m.State = events.StateSuspect
			}
			s = append(s, m)
		}
		return s
	}
	f := start(t, nil, members(1)...)
	h2 := httptest.NewUnstartedServer(f.proxy)
	h2.EnableHTTP2 = true
	h2.StartTLS()
	defer h2.Close()
	two := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 10 * time.Second}
	defer two.CloseIdleConnections()
	one := client(t)
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for round := 2; ; round++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				f.registry.set(members(round)...)
			}
		}
	})
	var whole, broken, late, number atomic.Int64
	for i := range 24 {
		c, base := one, "http://"+f.addr
		if i%2 == 0 {
			c, base = two, h2.URL
		}
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				token := fmt.Sprint("t", number.Add(1))
				size := []int{0, 10, 60_000, 300_000}[rand.IntN(4)]
				var body io.Reader = bytes.NewReader(make([]byte, size))
				if rand.IntN(3) == 0 {
					body = io.MultiReader(body)
				}
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(8) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, cancel)
				}
				req, _ := http.NewRequestWithContext(ctx, []string{"GET", "POST", "PUT", "HEAD"}[rand.IntN(4)], base+"/data/x", body)
				req.Header.Set("X-Token", token)
				begun := time.Now()
				resp, err := c.Do(req)
				if err == nil {
					var b []byte
					b, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					got := resp.Header.Get("X-Token")
					switch {
					case err != nil:
					case resp.StatusCode >= 500 || resp.StatusCode == 400 || resp.StatusCode == 408:
						broken.Add(1)
					case got != token:
						t.Errorf("%d for %s: got the response to %q", resp.StatusCode, token, got)
					case resp.StatusCode == 200 && req.Method != "HEAD" &&
						(!bytes.HasPrefix(b, fmt.Appendf(nil, "%s %d ", token, size)) || !bytes.HasSuffix(b, []byte(" end "+token))):
						t.Errorf("%s of %d: got %d bytes that begin with %.40q", token, size, len(b), b)
					default:
						whole.Add(1)
					}
				}
				if err != nil {
					broken.Add(1)
				}
				if time.Since(begun) > 5*time.Second {
					late.Add(1)
				}
				cancel()
			}
		})
	}
	fixture.Sleep(2 * time.Second)
	close(stop)
	all.Wait()
	t.Logf("%d whole, %d not, %d late", whole.Load(), broken.Load(), late.Load())
	if late.Load() > 0 {
		t.Errorf("%d requests took more than 5 s", late.Load())
	}
	one.CloseIdleConnections()
	fixture.Eventually(t, 5*time.Second, "nothing in flight", func() bool { return f.metric("rollcall_proxy_requests_in_flight") == 0 })
	f.registry.set()
	fixture.Eventually(t, 5*time.Second, "no connection left", func() bool { return f.metric("rollcall_proxy_connections") == 0 })
}
