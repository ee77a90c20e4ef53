package clientconn

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestDiscardStopsAtBounds(t *testing.T) {
	for _, row := range []struct {
		name  string
		bytes int           // size of each write of the client
		every time.Duration // time between two writes of the client; 0: the client does not write
		stop  time.Duration // time until the proxy stops; 0: the proxy does not stop
		want  time.Duration
	}{
		{"client sends nothing", 1, 0, 0, 5 * time.Second},
		{"client sends a byte every second", 1, time.Second, 0, 30 * time.Second},
		{"client sends a byte every 6 s", 1, 6 * time.Second, 0, 5 * time.Second},
		{"client sends 256 MiB", 64 << 10, 4 * time.Millisecond, 0, 4096 * 4 * time.Millisecond},
		{"proxy stops", 1, time.Second, 2 * time.Second, 2500 * time.Millisecond},
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
				if took := time.Since(begun); took < row.want || took > row.want+lingerPoll {
					t.Errorf("took %v, want %v", took, row.want)
				}
			})
		})
	}
}

func TestDiscardStopsWhenClientCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, client := net.Pipe()
		time.AfterFunc(time.Second, func() { _ = client.Close() })
		begun := time.Now()
		discard(ours, new(atomic.Bool))
		if took := time.Since(begun); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}
