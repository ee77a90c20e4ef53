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

// TestScenarios replays testdata/*.txt. A line without indent is a command, or a comment if it starts with #. Indented lines
// are the result of the command above them.
//
//	config maxservers=2 outbox=3 probing=on cold=on   first command; cold=on: the registry starts at 0s, otherwise 20 s earlier
//	beat data/a inc=1 seq=1 addr=10.0.0.1:80 at=0s delay=0s ttl=10s weight=100 zone= via=nsqd-1
//	bare 10.0.0.1:80 at=0s delay=0s stamp=1h      a bare address, with a stamp of an nsqd whose clock is ahead
//	leave data/a inc=1 seq=2 at=1s
//	tick 7s nsqd=nsqd-1,nsqd-2                    ticks every 250 ms until 7s; nsqd= also applies to later ticks; without nsqd= all nsqd count as receiving
//	jump 7s nsqd=nsqd-1                           one tick, after a pause of this process
//	canary nsqd-1 at=1s                           a canary arrived through nsqd-1
//	probe data/a refused began=7s at=7.3s         the finding of a probe
//	probe data/a identified at=7.3s contested=no  a probe from before another server claimed the address
//	proxy data/a refused at=7.3s
//	asks                                          shows and takes the requested probes
//	show                                          the servers, with current vitals
//	explain data/a
//	hold, take                                    stop and start receiving events
//
// Times count from the start. Without at=, a command has the time of the previous command. There is a tick every 250 ms.
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

// scenario is a state, its time, and its output.
type scenario struct {
	state  *state
	start  time.Time
	now    time.Duration
	ticked time.Duration // time of the last tick
	nsqd   []string
	held   bool
	out    bytes.Buffer
}

func mustReplay(t *testing.T, text string) []byte {
	t.Helper()
	sc := &scenario{start: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	sc.begin(t, Config{}, false)
	for i, line := range strings.SplitAfter(text, "\n") {
		if strings.HasPrefix(line, "  ") {
			continue // an indented line is part of a result
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

// begin makes a state that is no longer in mode warming, unless the parameter cold is true.
func (sc *scenario) begin(t *testing.T, cfg Config, cold bool) {
	t.Helper()
	sc.state = mustState(t, cfg)
	if !cold {
		warm(sc.state, sc.start)
	}
}

// warm calls s.tick up to the time start, when the mode has just become normal, and drops the events of s.
func warm(s *state, start time.Time) {
	for at := start.Add(-s.cfg.TTL - 2*s.cfg.Interval); !at.After(start); at = at.Add(s.cfg.Tick) {
		s.tick(at, nil)
	}
	takeAll(s)
	s.revision, s.membership = 0, nil
}

func (sc *scenario) run(t *testing.T, a *arguments) error {
	if at, ok := a.named["at"]; ok {
		sc.now = a.duration("at", at)
		sc.pass(a)
	}
	switch a.command {
	case "config":
		sc.begin(t, Config{MaxServers: a.int("maxservers"), Outbox: a.int("outbox"), Probing: a.named["probing"] == "on"}, a.named["cold"] == "on")
	case "beat", "bare", "leave":
		h, receipt := a.heartbeat(sc.start.Add(sc.now))
		sc.printf("%v", sc.state.observe(newMessage(h, receipt)))
	case "tick":
		sc.now = a.duration("tick", a.subject)
		sc.pass(a)
		sc.tick(sc.now, a)
	case "jump":
		sc.now = a.duration("jump", a.subject)
		sc.tick(sc.now, a)
	case "canary":
		at := sc.start.Add(sc.now)
		h := &events.Heartbeat{V: 1, Type: events.KindCanary, ID: "api-2"}
		sc.state.observe(newMessage(h, events.Receipt{Via: a.subject, PublishedAt: at, ReceivedAt: at}))
	case "probe", "proxy":
		sc.report(a)
	case "asks":
		for q, ok := sc.state.nextProbe(); ok; q, ok = sc.state.nextProbe() {
			sc.printf("%s/%s inc=%d %s", q.Service, q.ID, q.Incarnation, q.Addr)
			sc.state.probes.taken(sc.state.clock.last)
		}
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

// pass runs the ticks that are due before sc.now.
func (sc *scenario) pass(a *arguments) {
	for next := sc.ticked + sc.state.cfg.Tick; next < sc.now; next += sc.state.cfg.Tick {
		sc.tick(next, a)
	}
}

func (sc *scenario) tick(at time.Duration, a *arguments) {
	if list, ok := a.named["nsqd"]; ok {
		sc.nsqd = strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
	}
	sc.state.tick(sc.start.Add(at), sc.nsqd)
	sc.ticked = at
}

// report reports a finding about the registered server that the command names.
func (sc *scenario) report(a *arguments) {
	k := a.key()
	e := Evidence{
		Probe: Probe{Service: k.service, ID: k.id}, Finding: Finding(a.finding), Source: Source(a.command),
		Began: sc.start.Add(a.duration("began", a.or("began", sc.now.String()))), Ended: sc.start.Add(sc.now),
	}
	if r := sc.state.servers[k]; r != nil {
		e.Addr, e.Incarnation = r.view.Addr, r.incarnation
		e.Contested = sc.state.contested(r) && a.named["contested"] != "no"
	}
	sc.state.report(e)
}

func (sc *scenario) printf(format string, args ...any) {
	fmt.Fprintf(&sc.out, "  "+format+"\n", args...)
}

func (sc *scenario) take() {
	for _, e := range takeAll(sc.state) {
		sc.printf("%s", eventLine(e))
	}
}

func eventLine(e events.Event) string {
	d := e.Details()
	if m, ok := e.(events.ModeChanged); ok {
		return fmt.Sprintf("#%d mode %s (%s) %s", d.Revision, m.Mode, d.Cause, m.Detail)
	}
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
	mode := string(s.mode)
	if !s.complete {
		mode += " incomplete"
	}
	sc.printf("revision=%d %s servers=%d tombstones=%d dropped=%d", s.revision, mode, len(s.servers), len(s.tombstones.stones), s.outbox.dropped)
	lease := s.clock.at(s.age(sc.start.Add(sc.now)))
	for r := range s.records() {
		current := *r.view
		s.vitals(r, lease).Apply(&current)
		sc.printf("%s", serverLine(&current))
	}
}

func (sc *scenario) explain(k key) {
	e, gone := sc.state.explain(k, sc.state.age(sc.start.Add(sc.now)))
	if e == nil {
		sc.printf("%s", gone)
		return
	}
	sc.printf("%s", e.Summary)
	for _, b := range e.Heartbeats {
		sc.printf("beat seq=%d at=%v delay=%dms via=%s", b.Seq, b.ReceivedAt.Sub(sc.start), b.DelayMS, b.Via)
	}
	for _, p := range e.Probes {
		sc.printf("%s %s at=%v took=%dms", p.Source, p.Finding, p.Time.Sub(sc.start), p.TookMS)
	}
	for _, c := range e.Transitions {
		sc.printf("%s (%s) at=%v", strings.TrimPrefix(string(c.Type), "rollcall.server."), c.Reason, c.Time.Sub(sc.start))
	}
}

// arguments are the words of a command: its subject, and pairs of the form key=value.
type arguments struct {
	command, subject string
	finding          string // the second word that is not a pair key=value
	named            map[string]string
	err              error // the first error
}

var known = []string{"maxservers", "outbox", "inc", "seq", "addr", "at", "delay", "ttl", "weight", "zone", "via", "nsqd", "began", "probing", "cold", "stamp", "contested"}

func parseArgs(words []string) (*arguments, error) {
	a := &arguments{command: words[0], named: make(map[string]string)}
	for _, word := range words[1:] {
		name, value, pair := strings.Cut(word, "=")
		switch {
		case !pair && a.subject != "":
			a.finding = word
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

// heartbeat returns the message that the arguments describe, and its receipt.
func (a *arguments) heartbeat(received time.Time) (*events.Heartbeat, events.Receipt) {
	h := &events.Heartbeat{
		V: 1, Type: events.KindHeartbeat, Service: events.DefaultService, ID: a.subject, Addr: a.subject,
		Incarnation: int64(a.int("inc")), Seq: uint64(a.int("seq")), Weight: events.DefaultWeight, Zone: a.named["zone"],
		IntervalMS: 5000, TTLMS: a.duration("ttl", a.or("ttl", "10s")).Milliseconds(),
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
	delay := a.duration("delay", a.or("delay", "0s"))
	ahead := a.duration("stamp", a.or("stamp", "0s"))
	return h, events.Receipt{Via: a.or("via", "nsqd-1"), PublishedAt: received.Add(ahead - delay), ReceivedAt: received, Delay: delay}
}

// mustState returns the state of a registry that New has made.
func mustState(t testing.TB, cfg Config) *state {
	t.Helper()
	cfg.Observer = "api-1"
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r.state
}
