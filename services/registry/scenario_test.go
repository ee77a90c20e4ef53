package registry

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt with what the registry does now")

// TestScenarios replays testdata/*.txt. A line that starts at the margin is a command, one with # is a comment; what is
// indented is the answer of the registry to the command above it.
//
//	config maxservers=2 outbox=3                  before all others
//	beat data/a inc=1 seq=1 addr=10.0.0.1:80 at=0s delay=0s ttl=10s weight=100 zone= via=nsqd-1
//	bare 10.0.0.1:80 at=0s delay=0s               a body that is nothing but the address
//	leave data/a inc=1 seq=2 at=1s
//	tick 7s
//	show                                          the roll, with the vitals of now
//	explain data/a
//	hold, take                                    nobody takes events; somebody takes them again
//
// All times count from the start. Without at= it is the time of the command before.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := mustReplay(t, string(want))
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s (-update rewrites it)\n%s", file, firstDifference(string(got), string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

// scenario is a state, the time in it, and who listens.
type scenario struct {
	state *state
	start time.Time
	now   time.Duration
	held  bool
	out   bytes.Buffer
}

func mustReplay(t *testing.T, text string) []byte {
	t.Helper()
	sc := &scenario{state: mustState(t, Config{}), start: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	for i, line := range strings.SplitAfter(text, "\n") {
		if strings.HasPrefix(line, "  ") {
			continue // an answer
		}
		sc.out.WriteString(line)
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		args, err := parseArgs(words)
		if err == nil {
			err = sc.run(t, args)
		}
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if !sc.held {
			sc.take()
		}
	}
	return sc.out.Bytes()
}

func (sc *scenario) run(t *testing.T, a *arguments) error {
	if at, ok := a.named["at"]; ok {
		sc.now = a.duration("at", at)
	}
	switch a.command {
	case "config":
		sc.state = mustState(t, Config{MaxServers: a.int("maxservers"), Outbox: a.int("outbox")})
	case "beat", "bare", "leave":
		h, receipt := a.heartbeat(sc.start.Add(sc.now))
		sc.printf("%v", sc.state.observe(newMessage(h, receipt)))
	case "tick":
		sc.now = a.duration("tick", a.subject)
		sc.state.tick(sc.start.Add(sc.now))
	case "show":
		sc.show()
	case "explain":
		sc.explain(a.key())
	case "hold", "take":
		sc.held = a.command == "hold"
	default:
		return fmt.Errorf("unknown command %q", a.command)
	}
	return a.err
}

func (sc *scenario) printf(format string, args ...any) {
	fmt.Fprintf(&sc.out, "  "+format+"\n", args...)
}

func (sc *scenario) take() {
	for len(sc.state.outbox.queue) > 0 {
		sc.printf("%s", eventLine(sc.state.outbox.queue[0]))
		sc.state.outbox.pop()
	}
}

func eventLine(e events.Event) string {
	d := e.Details()
	_, name, _ := strings.Cut(string(e.Type()), "server.")
	return fmt.Sprintf("#%d %s (%s) %s", d.Revision, name, d.Cause, serverLine(&d.Server))
}

func serverLine(s *events.Server) string {
	line := fmt.Sprintf("%s inc=%d seq=%d %s %s age=%v", s.Key(), s.Incarnation, s.Seq, s.State, s.Addr,
		time.Duration(s.AgeMS)*time.Millisecond)
	if s.Zone != "" {
		line += " zone=" + s.Zone
	}
	return line
}

func (sc *scenario) show() {
	s := sc.state
	s.vitals = nil
	sc.printf("revision=%d %s servers=%d tombstones=%d dropped=%d", s.revision, s.mode, len(s.servers), len(s.graves.stones), s.outbox.dropped)
	vitals := s.currentVitals(sc.now)
	for i, srv := range s.members().Servers {
		current := *srv
		vitals[i].apply(&current)
		sc.printf("%s", serverLine(&current))
	}
}

func (sc *scenario) explain(k key) {
	e, gone := sc.state.explain(k, sc.now)
	if e == nil {
		sc.printf("%s", gone)
		return
	}
	sc.printf("%s", e.Summary)
	for _, b := range e.Beats {
		sc.printf("beat seq=%d at=%v delay=%dms via=%s", b.Seq, b.ReceivedAt.Sub(sc.start), b.DelayMS, b.Via)
	}
	for _, c := range e.Transitions {
		sc.printf("%s (%s) at=%v", strings.TrimPrefix(string(c.Type), "rollcall.server."), c.Reason, c.Time.Sub(sc.start))
	}
}

// arguments are the words of a command: what it is about, and key=value pairs.
type arguments struct {
	command, subject string
	named            map[string]string
	err              error // the first mistake
}

var known = []string{"maxservers", "outbox", "inc", "seq", "addr", "at", "delay", "ttl", "weight", "zone", "via"}

func parseArgs(words []string) (*arguments, error) {
	a := &arguments{command: words[0], named: make(map[string]string)}
	for _, word := range words[1:] {
		name, value, pair := strings.Cut(word, "=")
		switch {
		case !pair:
			a.subject = word
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("unknown argument %q", word)
		default:
			a.named[name] = value
		}
	}
	return a, nil
}

func (a *arguments) check(name string, err error) {
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (a *arguments) int(name string) int {
	if a.named[name] == "" {
		return 0
	}
	n, err := strconv.Atoi(a.named[name])
	a.check(name, err)
	return n
}

func (a *arguments) duration(name, value string) time.Duration {
	d, err := time.ParseDuration(value)
	a.check(name, err)
	return d
}

func (a *arguments) key() key {
	service, id, ok := strings.Cut(a.subject, "/")
	if !ok {
		a.check("server", fmt.Errorf("%q, want service/id", a.subject))
	}
	return key{service, id}
}

func (a *arguments) or(name, value string) string {
	if v, ok := a.named[name]; ok {
		return v
	}
	return value
}

// heartbeat makes the message that was received at this moment.
func (a *arguments) heartbeat(received time.Time) (*events.Heartbeat, events.Receipt) {
	h := &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: events.DefaultService, ID: a.subject, Addr: a.subject,
		Incarnation: int64(a.int("inc")), Seq: uint64(a.int("seq")), Weight: events.DefaultWeight, Zone: a.named["zone"],
		IntervalMS: 1, TTLMS: a.duration("ttl", a.or("ttl", "10s")).Milliseconds(),
	}
	if a.command != "bare" {
		k := a.key()
		h.Service, h.ID, h.Addr = k.service, k.id, a.or("addr", "10.0.0.1:80")
	}
	if a.command == "leave" {
		h.Type = events.KindLeave
	}
	if _, ok := a.named["weight"]; ok {
		h.Weight = a.int("weight")
	}
	published := received.Add(-a.duration("delay", a.or("delay", "0s")))
	return h, events.Receipt{Via: a.or("via", "nsqd-1"), PublishedAt: published, ReceivedAt: received}
}

// mustState is a state as New makes it.
func mustState(t testing.TB, cfg Config) *state {
	t.Helper()
	cfg.Observer = "api-1"
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r.state
}
