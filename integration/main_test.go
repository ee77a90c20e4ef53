package integration

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The rows of the fault matrix take minutes in full, so go test -p 1 -timeout 1h ./... runs the short form of each. All of it is
//
//	go test ./integration -long -timeout 3h -v
//
// and the soak alone, for as long as one likes,
//
//	go test ./integration -long -run Soak -soak 5m -v
//
// Each row logs its figure with its limit.
var (
	long = flag.Bool("long", false, "run the rows of the fault matrix in their full length")
	soak = flag.Duration("soak", time.Hour, "with -long: how long the soak runs")
)

// rows is how many tests run at once. They wait for leases to end, mostly, but many send 500 requests a second meanwhile: more of them
// than two miss their limits on two cores.
const rows = "2"

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		os.Exit(children[name]())
	}
	given := false
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", rows)
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	if code == 0 {
		http.DefaultClient.CloseIdleConnections()
		// What nsqd and nsqlookupd, which are servers of HTTP too, keep for 90 s.
		err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
			goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// lasting is how long a fault lasts: as long as its row says with -long, else as short as still tells.
func lasting(short, full time.Duration) time.Duration {
	if *long {
		return full
	}
	return short
}

func longOnly(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("runs with -long")
	}
}
