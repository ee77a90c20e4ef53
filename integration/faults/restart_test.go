package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/integration/harness"
)

// API servers are killed and started again, each with its snapshot file in another condition: whole, cut, garbage, empty, or of an older
// version.
func TestAPIServerRestartsFromSnapshot(t *testing.T) {
	t.Parallel()
	const limit = 2 * time.Second
	version := regexp.MustCompile(`"version"\s*:\s*\d+`)
	files := []struct {
		name  string
		spoil func([]byte) []byte // changes the content of the file; nil leaves the file as it is
	}{
		{name: "whole"},
		{"cut", func(b []byte) []byte { return b[:len(b)/2] }},
		{"garbage", func([]byte) []byte { return bytes.Repeat([]byte{0xfe, '{', 0}, 5000) }},
		{"empty", func([]byte) []byte { return nil }},
		{"older", func(b []byte) []byte { return version.ReplaceAll(b, []byte(`"version":0`)) }},
	}
	s := harness.NewSite(t, 2)
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name+".json") }
	apis := make(map[string]*harness.APIServer)
	for _, f := range files {
		apis[f.name] = s.StartAPI("api-"+f.name, "--registry.snapshot", path(f.name))
	}
	s.StartFleet("fleet", fleetSize)
	for _, a := range apis {
		s.AwaitNormal(a)
	}
	fixture.Sleep(1500 * time.Millisecond) // wait until the snapshot files contain the last change, which takes at most a second
	for _, f := range files {
		a := apis[f.name]
		a.Kill()
		if f.spoil != nil {
			body, err := os.ReadFile(path(f.name))
			fixture.Must(t, err)
			spoilt := f.spoil(body)
			if bytes.Equal(spoilt, body) {
				t.Fatalf("%s: the file did not change", f.name)
			}
			fixture.Must(t, os.WriteFile(path(f.name), spoilt, 0o600))
		}
	}
	for _, f := range files {
		a := apis[f.name]
		begun := time.Now()
		a.Start(t)
		if f.spoil == nil {
			a.Await(t, 20*time.Second, "the list is full", func() bool { return a.Lists(s.Servers...) })
			harness.AtMost(t, "list is full after SIGKILL", time.Since(begun), limit)
			a.Await(t, 20*time.Second, "ready", a.Ready)
			harness.AtMost(t, "ready after SIGKILL", time.Since(begun), limit)
			continue
		}
		a.Await(t, 10*time.Second, "the API answers", a.Live)
		if !warns(a, "snapshot") {
			t.Errorf("%s: no warning about the snapshot; the log is:\n%s", f.name, a.Log.Text())
		}
	}
	fixture.Sleep(15 * time.Second)
	for _, f := range files {
		if a := apis[f.name]; !a.Lists(s.Servers...) {
			t.Errorf("%s: a server is missing in the list", f.name)
		}
		s.NoFalseExpiries(fmt.Sprintf("restart with a snapshot that is %s", f.name), apis[f.name])
	}
}

// warns reports whether the log of an API server has a warning that contains the given text.
func warns(a *harness.APIServer, text string) bool {
	for line := range strings.Lines(a.Log.Text()) {
		if strings.Contains(line, `"level":"warn"`) && strings.Contains(line, text) {
			return true
		}
	}
	return false
}

func TestAPIServerTerminates(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	s := harness.NewSite(t, 2)
	a := s.StartAPI("api-1")
	s.StartFleet("fleet", fleetSize)
	a.Await(t, 20*time.Second, "every server is listed", func() bool { return a.Lists(s.Servers...) })
	list, err := harness.Get[struct{ Index uint64 }](a.API, "/v1/servers")
	fixture.Must(t, err)
	polled := make(chan error, 1)
	go func() { // a request that waits for a change must not delay the stop of the API server
		_, err := harness.Get[any](a.API, fmt.Sprintf("/v1/servers?wait=1m&index=%d", list.Index))
		polled <- err
	}()
	fixture.Sleep(200 * time.Millisecond)
	signaled := time.Now()
	a.Terminate()
	harness.AtMost(t, "end after SIGTERM", time.Since(signaled), limit)
	if code := a.Cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0; the log is:\n%s", code, a.Log.Tail(20))
	}
	if err := <-polled; err != nil {
		t.Errorf("the request that waits for a change failed: %v", err)
	}
}
