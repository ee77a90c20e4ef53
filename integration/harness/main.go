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

// Main is the TestMain of a package. It runs the tests, or, in a process that ChildCommand started, it runs the child. The argument more
// holds the children that the package adds to the children of the harness.
func Main(m *testing.M, more Children) {
	if name := os.Getenv(childEnv); name != "" {
		start, ok := more[name]
		if !ok {
			start = ownChildren()[name]
		}
		os.Exit(start())
	}
	flag.BoolVar(&long, "long", false, "let faults last as long as the documentation says; the default is the shortest time that still shows their effect")
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

// long is the value of the flag -long.
var long bool

// parallel is the default of the flag -parallel, the number of tests that run at once. Many tests send 500 requests per second. If more
// than two of them run at once, a machine with two cores is too slow for the limits.
const parallel = "2"

// ShortOrLong returns the duration of a fault: the long duration if the flag -long is set, otherwise the short one.
func ShortOrLong(short, full time.Duration) time.Duration {
	if long {
		return full
	}
	return short
}

// Long returns the value of the flag -long.
func Long() bool { return long }

// SkipUnlessLong skips the test unless the flag -long is set.
func SkipUnlessLong(t *testing.T) {
	t.Helper()
	if !long {
		t.Skip("needs -long")
	}
}
