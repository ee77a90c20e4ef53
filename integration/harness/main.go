package harness

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/integration/fixture"
)

// Main runs the tests of a package, or one of the children if the binary was started as one.
func Main(m *testing.M, more Children) {
	if name := os.Getenv(childEnv); name != "" {
		start, ok := more[name]
		if !ok {
			start = ownChildren()[name]
		}
		os.Exit(start())
	}
	flag.BoolVar(&long, "long", false, "run each test of the fault matrix in its full length")
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", parallel)
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	if code == 0 {
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(fixture.LeakOptions()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// long is the flag -long.
var long bool

// parallel is how many tests of a package run at once, unless -parallel says otherwise. Most tests wait for leases to end, but many send
// 500 requests a second meanwhile: with more than two of them, two cores are too few for their limits.
const parallel = "2"

// ShortOrLong is how long a fault lasts: as long as its row says with -long, else as short as still tells.
func ShortOrLong(short, full time.Duration) time.Duration {
	if long {
		return full
	}
	return short
}

func Long() bool { return long }

func SkipUnlessLong(t *testing.T) {
	t.Helper()
	if !long {
		t.Skip("runs with -long")
	}
}
