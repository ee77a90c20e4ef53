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

// LookupState is the result of the last question to one nsqlookupd.
type LookupState struct {
	Address string // as Cluster.Lookupd has it
	Named   int    // nsqd in its answer
	Err     error  // nil if it answered
}

var errNoAnswer = errors.New("no answer yet")

func (d *discovery) note(a answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[a.lookupd] = LookupState{Address: d.cluster.Lookupd[a.lookupd], Named: len(a.addrs), Err: a.err}
}

func (d *discovery) lookups() []LookupState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.last)
}

// because adds to err what each nsqlookupd answered.
func because(err error, lookups []LookupState) error {
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

// explainFailure shortens the error of a request, and adds what it means if something other than HTTP answered.
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

// explainStatus returns nil if the answer says that no nsqd has the topic yet.
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
