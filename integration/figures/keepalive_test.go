package figures

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

const (
	keepAliveServers = 1000
	keepAliveRate    = 15_000 // heartbeats per second of all servers
	keepAliveRounds  = 3
	keepAliveWarm    = time.Second // time at the start of each round; not measured
	keepAliveSpan    = 3 * time.Second
)

// BenchmarkKeepAlive compares what a heartbeat costs here with what it costs in etcd, where it keeps a lease alive: the CPU time of nsqd and
// of an API server, and the CPU time of etcd. Both get 15 000 heartbeats per second of 1000 servers. In "own" each server has a connection of
// its own, and sends one heartbeat at a time. In "shared" all are sent on one connection, 15 at a time: to nsqd by MPUB, and to etcd on one
// stream. Without etcd only nsqd and the API server are measured. The aim is a ratio below 1.
func BenchmarkKeepAlive(b *testing.B) {
	n := harness.StartNSQD(b)
	a := startAPI(b, n)
	contenders := []keepAliveContender{{pids: map[string]int{"nsqd": n.Cmd.Process.Pid, "apiserver": a.Cmd.Process.Pid}, dial: func(first, servers int) keepAliveConn {
		return dialNSQD(b, n.TCP, first, servers)
	}}}
	if e, ok := startEtcd(b); ok {
		contenders = append(contenders, keepAliveContender{pids: map[string]int{"etcd": e.pid}, dial: func(first, servers int) keepAliveConn {
			return dialEtcd(b, e.addr, first, servers)
		}})
	}
	for _, conns := range []struct {
		name    string
		servers int // servers of each connection
	}{{"own", 1}, {"shared", keepAliveServers}} {
		b.Run(conns.name, func(b *testing.B) {
			for b.Loop() {
				compareKeepAlive(b, contenders, conns.servers)
			}
			b.ReportMetric(0, "ns/op") // do not report ns/op, which would be the time of all rounds
		})
	}
}

func compareKeepAlive(b *testing.B, contenders []keepAliveContender, servers int) {
	b.Helper()
	costs := make(map[string][]float64)
	for range keepAliveRounds {
		for _, c := range contenders {
			c.measure(b, servers, costs)
		}
	}
	own := harness.Median(costs["nsqd"]) + harness.Median(costs["apiserver"])
	for name := range costs {
		b.ReportMetric(harness.Median(costs[name]), name+"-us/beat")
	}
	b.ReportMetric(own, "together-us/beat")
	if etcd, ok := costs["etcd"]; ok {
		b.ReportMetric(own/harness.Median(etcd), "ratio")
	}
}

// keepAliveContender is what the heartbeats of a benchmark are sent to.
type keepAliveContender struct {
	pids map[string]int // processes by their names
	dial func(first, servers int) keepAliveConn
}

// keepAliveConn is a connection that carries the heartbeats of some servers. One goroutine sends, and another one receives.
type keepAliveConn interface {
	send(beats int) error            // sends the next heartbeats in one write
	receive() (beats int, err error) // returns how many heartbeats were acknowledged, which is at least one
	io.Closer
}

// measure appends to costs the CPU time per heartbeat of each process, in microseconds.
func (c keepAliveContender) measure(b *testing.B, servers int, costs map[string][]float64) {
	b.Helper()
	var conns []keepAliveConn
	for first := 0; first < keepAliveServers; first += servers {
		conns = append(conns, c.dial(first, servers))
	}
	l := keepAliveLoad{conns: conns}
	l.start()
	fixture.Sleep(keepAliveWarm)
	first, before := l.acknowledged.Load(), c.cpu(b)
	fixture.Sleep(keepAliveSpan)
	beats, after := l.acknowledged.Load()-first, c.cpu(b)
	if err := l.stop(); err != nil {
		b.Fatal(err)
	}
	if beats < keepAliveRate*int64(keepAliveSpan.Seconds())/2 {
		b.Logf("only %d heartbeats were acknowledged in %v: the machine is too busy to compare", beats, keepAliveSpan)
	}
	for name := range c.pids {
		costs[name] = append(costs[name], float64((after[name]-before[name]).Microseconds())/float64(beats))
	}
}

// keepAliveLoad sends heartbeats at keepAliveRate, on its connections in turn.
type keepAliveLoad struct {
	conns        []keepAliveConn
	acknowledged atomic.Int64
	ending       atomic.Bool
	running      errgroup.Group
}

func (l *keepAliveLoad) start() {
	for _, conn := range l.conns {
		l.running.Go(func() error {
			for {
				beats, err := conn.receive()
				if err != nil {
					return l.unlessEnding(fmt.Errorf("receive: %w", err))
				}
				l.acknowledged.Add(int64(beats))
			}
		})
	}
	l.running.Go(func() error {
		begun, next := time.Now(), 0
		for sent := 0; !l.ending.Load(); fixture.Sleep(time.Millisecond) {
			due := int(time.Since(begun).Seconds()*keepAliveRate) - sent
			for sent += due; due > 0; next++ {
				beats := 1
				if len(l.conns) == 1 {
					beats = min(due, keepAliveServers)
				}
				if err := l.conns[next%len(l.conns)].send(beats); err != nil {
					return l.unlessEnding(fmt.Errorf("send: %w", err))
				}
				due -= beats
			}
		}
		return nil
	})
}

func (l *keepAliveLoad) unlessEnding(err error) error {
	if l.ending.Load() {
		return nil
	}
	return err
}

func (l *keepAliveLoad) stop() error {
	l.ending.Store(true)
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	return l.running.Wait()
}

func (c keepAliveContender) cpu(b *testing.B) map[string]time.Duration {
	b.Helper()
	used := make(map[string]time.Duration)
	for name, pid := range c.pids {
		var ok bool
		if used[name], ok = cpuOf(pid); !ok {
			b.Skip("needs /proc for the CPU time of another process")
		}
	}
	return used
}

// nsqdConn publishes heartbeats: one by PUB, several by MPUB. It is not a go-nsq producer, which has three goroutines.
type nsqdConn struct {
	net.Conn
	r     *bufio.Reader
	beats []crowdBeat
	next  int
	buf   []byte
	sent  chan int // number of heartbeats in each command without a response
}

func dialNSQD(b *testing.B, addr string, first, servers int) keepAliveConn {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	fixture.Must(b, err)
	_, err = conn.Write([]byte("  V2"))
	fixture.Must(b, err)
	c := &nsqdConn{Conn: conn, r: bufio.NewReaderSize(conn, 64), sent: make(chan int, keepAliveRate)}
	for i := range servers {
		c.beats = append(c.beats, newCrowdBeat(first+i, time.Now().UnixMilli()))
	}
	return c
}

func (c *nsqdConn) send(beats int) error {
	var messages []byte
	for range beats {
		beat := c.beats[c.next%len(c.beats)]
		c.next++
		increment(beat.seq)
		messages = append(binary.BigEndian.AppendUint32(messages, uint32(len(beat.body))), beat.body...)
	}
	if beats == 1 {
		c.buf = append(c.buf[:0], "PUB "+events.HeartbeatTopic+"\n"...)
	} else {
		c.buf = append(c.buf[:0], "MPUB "+events.HeartbeatTopic+"\n"...)
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(4+len(messages)))
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(beats))
	}
	c.buf = append(c.buf, messages...)
	c.sent <- beats
	_, err := c.Write(c.buf)
	return err
}

func (c *nsqdConn) receive() (int, error) {
	var frame [10]byte // size, type, OK
	if _, err := io.ReadFull(c.r, frame[:]); err != nil {
		return 0, err
	}
	if string(frame[8:]) != "OK" {
		return 0, fmt.Errorf("nsqd responded with %q", frame)
	}
	return <-c.sent, nil
}

// startEtcd starts an etcd that has one member, if it is installed.
func startEtcd(b *testing.B) (contender, bool) {
	b.Helper()
	path, ok := findDaemon(b, "etcd")
	if !ok {
		return contender{}, false
	}
	addr := fixture.FreeAddr(b)
	client, peer := "http://"+addr, "http://"+fixture.FreeAddr(b)
	return startContender(b, "etcd", addr, exec.Command(path, "--data-dir", filepath.Join(b.TempDir(), "etcd"), "--logger", "zap", "--log-level", "error", "--initial-cluster", "default="+peer,
		"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer)), true
}
