package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/integration/fixture"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// programEnv is an environment variable. If it is set, the test binary runs as the rollcall command.
const programEnv = "TEST_IS_ROLLCALL"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main()
	}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "ROLLCALL_") {
			_ = os.Unsetenv(name)
		}
	}
	time.Local = time.UTC // so that the printed times are the same everywhere
	goleak.VerifyTestMain(m)
}

// result is the outcome of a command.
type result struct {
	code           int
	stdout, stderr string
}

func call(t testing.TB, args ...string) result {
	t.Helper()
	return start(t, args...).wait()
}

// command is a running command.
type command struct {
	stdout, stderr written
	end            context.CancelFunc
	code           chan int
	wait           func() result // waits until the command has ended
}

func (c *command) stop() result {
	c.end()
	return c.wait()
}

func start(t testing.TB, args ...string) *command {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	c := &command{end: end, code: make(chan int, 1)}
	args = append([]string{}, args...) // not nil: cobra would replace nil by the arguments of the test binary
	go func() { c.code <- run(ctx, args, &c.stdout, &c.stderr) }()
	c.wait = sync.OnceValue(func() result { return result{<-c.code, c.stdout.String(), c.stderr.String()} })
	t.Cleanup(func() { c.stop() })
	return c
}

// written is a buffer that is safe for concurrent use.
type written struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func (w *written) await(t testing.TB, text string) {
	t.Helper()
	fixture.Eventually(t, 10*time.Second, text, func() bool { return strings.Contains(w.String(), text) })
}

func golden(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", file, got, want)
	}
}
