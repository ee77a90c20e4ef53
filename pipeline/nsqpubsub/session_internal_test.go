package nsqpubsub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nsqio/go-nsq"
)

// peer is the nsqd of a session, in the bubble of a test.
type peer struct {
	net.Conn
	writes atomic.Int64 // number of writes of the session
	mu     sync.Mutex
	lines  []string // the commands that have arrived
	ended  chan error
	cancel context.CancelFunc // ends the context of the session
}

// countingConn counts the writes of the session.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// mustSession starts a session whose messages the handler h handles, and waits until it waits for messages.
func mustSession(t *testing.T, cfg ConsumerConfig, h BatchHandler) *peer {
	t.Helper()
	cfg.Topic, cfg.Channel, cfg.NSQD = "t", "c", []string{"nsqd:4150"}
	c, err := NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := newConsumerConn(ctx, c, "nsqd:4150")
	client, server := net.Pipe()
	p := &peer{Conn: server, ended: make(chan error, 1), cancel: cancel}
	n.maxInFlight = 7
	s := newSession(n, newConn(countingConn{client, &p.writes}, c.conf))
	s.conn.r = bufio.NewReaderSize(s.conn.r, readBuffer)
	n.setCurrent(s)
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() { c.handle(ctx, h) })
	}
	running.Go(p.read)
	running.Go(func() { p.ended <- s.run(ctx); close(c.queue) })
	t.Cleanup(func() {
		cancel()
		_ = server.Close()
		running.Wait()
	})
	synctest.Wait()
	return p
}

func (p *peer) read() {
	for r := bufio.NewScanner(p.Conn); r.Scan(); {
		p.mu.Lock()
		p.lines = append(p.lines, r.Text())
		p.mu.Unlock()
	}
}

// commands returns the commands that have arrived since the last call.
func (p *peer) commands() []string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.lines
	p.lines = nil
	return lines
}

func (p *peer) mustSend(t *testing.T, frames ...[]byte) {
	t.Helper()
	if _, err := p.Write(slices.Concat(frames...)); err != nil {
		t.Fatal(err)
	}
}

// messageFrame returns the frame of the message number i.
func messageFrame(i int) []byte {
	var b bytes.Buffer
	_, _ = (&nsq.Message{ID: nsq.MessageID([]byte(fmt.Sprintf("%016d", i))), Body: []byte(fmt.Sprint(i)), Attempts: 1}).WriteTo(&b)
	return frame(uint32(4+b.Len()), nsq.FrameTypeMessage, b.Bytes())
}

func responseFrame(text string) []byte {
	return frame(uint32(4+len(text)), nsq.FrameTypeResponse, []byte(text))
}

func fin(i int) string { return fmt.Sprintf("FIN %016d", i) }
func req(i int) string { return fmt.Sprintf("REQ %016d 0", i) }

func TestMessagesThatArriveTogetherAreFinishedWithOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustSession(t, ConsumerConfig{Batch: 64}, func(context.Context, []Delivery) error { return nil })
		before := p.writes.Load()
		var frames [][]byte
		for i := range 64 {
			frames = append(frames, messageFrame(i))
		}
		p.commands()
		p.mustSend(t, frames...)
		if got := p.commands(); len(got) != 64 || got[0] != fin(0) || got[63] != fin(63) {
			t.Errorf("got %d commands, want 64 FIN: %q", len(got), got)
		}
		if got := p.writes.Load() - before; got != 1 {
			t.Errorf("%d writes, want 1", got)
		}
	})
}

func TestFinishDoesNotWaitForOtherHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := mustSession(t, ConsumerConfig{}, func(_ context.Context, batch []Delivery) error {
			if string(batch[0].Body) == "0" {
				<-release
			}
			return nil
		})
		p.commands()
		start := time.Now()
		p.mustSend(t, messageFrame(0), messageFrame(1))
		if got := p.commands(); !slices.Equal(got, []string{fin(1)}) {
			t.Errorf("while the first handler is busy: got %q", got)
		}
		close(release)
		if got := p.commands(); !slices.Equal(got, []string{fin(0)}) {
			t.Errorf("when the first handler has returned: got %q", got)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the commands waited for %v", took)
		}
	})
}

// While messages arrive without a pause, FIN is written after 64 of them.
func TestFinishDoesNotWaitForThePauseBetweenMessages(t *testing.T) {
	n := &consumerConn{}
	s := newSession(n, nil)
	for i := range maxAnswers {
		select {
		case <-s.wake:
			t.Fatalf("the writing goroutine is woken after %d messages", i)
		default:
		}
		s.answer(make([]Delivery, 1), 0)
	}
	select {
	case <-s.wake:
	default:
		t.Errorf("the writing goroutine is not woken after %d messages", maxAnswers)
	}
}

func TestHeartbeatIsAnsweredWhileHandlersAreBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustSession(t, ConsumerConfig{}, func(ctx context.Context, _ []Delivery) error {
			<-ctx.Done()
			return ctx.Err()
		})
		p.commands()
		for i := range 10 {
			p.mustSend(t, messageFrame(i))
		}
		p.mustSend(t, responseFrame("_heartbeat_"))
		if got := p.commands(); !slices.Equal(got, []string{"NOP"}) {
			t.Errorf("got %q, want NOP", got)
		}
		// A nsqd that asks without end and reads nothing takes no memory: NOP is pending once.
		p.mustSend(t, responseFrame("_heartbeat_"), responseFrame("_heartbeat_"))
		if got := p.commands(); len(got) == 0 {
			t.Error("the next heartbeats are not answered")
		}
	})
}

// The connection is closed when the last message is answered, because nsqd requeues unanswered messages only after its message timeout.
func TestSessionEndsAfterTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := mustSession(t, ConsumerConfig{}, func(context.Context, []Delivery) error {
			<-release
			return errors.New("failed")
		})
		if got := p.commands(); !slices.Equal(got, []string{"RDY 7"}) {
			t.Fatalf("got %q at the start", got)
		}
		p.mustSend(t, messageFrame(0))
		synctest.Wait()
		p.cancel()
		if got := p.commands(); !slices.Equal(got, []string{"RDY 0", "CLS"}) {
			t.Errorf("got %q when the context ends", got)
		}
		p.mustSend(t, responseFrame("CLOSE_WAIT"), messageFrame(1)) // nsqd can send one more message
		if got := p.commands(); !slices.Equal(got, []string{req(1)}) {
			t.Errorf("got %q for a message that arrives after the context has ended", got)
		}
		time.Sleep(time.Second)
		if got := p.commands(); len(got) > 0 {
			t.Errorf("got %q before the handler returns", got)
		}
		close(release)
		if got := p.commands(); !slices.Equal(got, []string{req(0)}) {
			t.Errorf("got %q when the handler has returned", got)
		}
		time.Sleep(2 * closeLinger)
		select {
		case err := <-p.ended:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("the connection is open after the last answer")
		}
	})
}

func TestSessionEndsWithoutResponseToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustSession(t, ConsumerConfig{}, func(context.Context, []Delivery) error { return nil })
		start := time.Now()
		p.cancel()
		if err := <-p.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != closeWaitTimeout+2*closeLinger {
			t.Errorf("took %v", took)
		}
	})
}
