package nsqpubsub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// LookupState is the result of the last query of one nsqlookupd.
type LookupState struct {
	Address string // as in Cluster.Lookupd
	Named   int    // number of nsqd that the response names
	Err     error  // nil if the query succeeded
}

var errNotQueried = errors.New("no response yet")

func (d *discovery) record(r lookupResult) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[r.lookupd] = LookupState{Address: d.cluster.Lookupd[r.lookupd], Named: len(r.addrs), Err: r.err}
}

func (d *discovery) lookups() []LookupState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.last)
}

// withLookups returns err with the state of each nsqlookupd added to its text.
func withLookups(err error, lookups []LookupState) error {
	if len(lookups) == 0 {
		return err
	}
	reasons := make([]string, len(lookups))
	for i, l := range lookups {
		reasons[i] = l.String()
	}
	return fmt.Errorf("%w: %s", err, strings.Join(reasons, "; "))
}

func (l LookupState) String() string {
	if l.Err != nil {
		return fmt.Sprintf("nsqlookupd %s: %v", l.Address, l.Err)
	}
	return fmt.Sprintf("nsqlookupd %s names %d nsqd", l.Address, l.Named)
}

const notLookupd = "is this nsqlookupd's HTTP address? Its default port is 4161; 4160 is its TCP port"

// explainFailure removes the URL from the error of a request, and adds a hint if the server does not speak HTTP.
func explainFailure(err error) error {
	if request := (*url.Error)(nil); errors.As(err, &request) {
		err = request.Err
	}
	text := err.Error()
	for _, sign := range []string{"malformed HTTP", "EOF", "connection reset"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("%w; %s", err, notLookupd)
		}
	}
	return err
}

// explainStatus returns the error for a response whose status is not 200, or nil if the response states that no nsqd has the topic yet.
func explainStatus(path string, resp *http.Response, body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, 1024))
	if err == nil && resp.StatusCode == http.StatusNotFound && bytes.Contains(text, []byte("TOPIC_NOT_FOUND")) {
		return nil
	}
	if resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("GET %s: %s; %s", path, resp.Status, notLookupd)
	}
	return fmt.Errorf("GET %s: %s", path, resp.Status)
}
