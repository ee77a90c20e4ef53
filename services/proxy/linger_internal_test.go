package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLingeringEnds(t *testing.T) {
	for _, row := range []struct {
		name  string
		bytes int           // of each write
		every time.Duration // 0: none is sent
		stop  time.Duration // when the proxy stops; 0: it goes on
		want  time.Duration
	}{
		{"nothing comes", 1, 0, 0, 5 * time.Second},
		{"a byte every second", 1, time.Second, 0, 30 * time.Second},
		{"a byte every 6 s", 1, 6 * time.Second, 0, 5 * time.Second},
		{"the limit of bytes", wholeLimit, 4 * time.Millisecond, 0, 4096 * 4 * time.Millisecond},
		{"the proxy stops", 1, time.Second, 2 * time.Second, 2500 * time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, client := net.Pipe()
				defer client.Close()
				var stopping atomic.Bool
				if row.stop > 0 {
					time.AfterFunc(row.stop, func() { stopping.Store(true) })
				}
				begun := time.Now()
				var sending sync.WaitGroup
				defer sending.Wait()
				if row.every > 0 {
					sending.Go(func() {
						for range time.Tick(row.every) {
							if _, err := client.Write(make([]byte, row.bytes)); err != nil {
								return
							}
						}
					})
				}
				discard(ours, &stopping)
				_ = ours.Close()
				if took := time.Since(begun); took < row.want || took > row.want+lingerSlice {
					t.Errorf("it took %v, want %v", took, row.want)
				}
			})
		})
	}
}

func TestLingeringEndsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, client := net.Pipe()
		time.AfterFunc(time.Second, func() { _ = client.Close() })
		begun := time.Now()
		discard(ours, new(atomic.Bool))
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it took %v, want 1s", took)
		}
	})
}
