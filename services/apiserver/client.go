package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rollcall/services/problem"
	"rollcall/services/registry"
)

const (
	requestTimeout = 30 * time.Second // longest time of a request; a long poll can take longer by its wait
	responseLimit  = 256 << 20        // largest response, in bytes: enough for 100 000 servers of 2 KiB each
	problemLimit   = 64 << 10         // largest error response, in bytes
)

// Client sends requests to one API server. It is safe for concurrent use. Each method returns when it has the response, when its context
// ends, or after 30 s; a long poll can take longer by Query.Wait. An error status is returned as a *Problem.
type Client struct {
	base  string // URL of the API; it does not end with a slash
	http  *http.Client
	limit int64 // maximum size of a response, in bytes
}

// NewClient returns a client of the API at base, which is host:port or a URL. It opens no connection. If hc is nil, the client uses
// http.DefaultTransport. If hc has a Timeout, the Timeout must be longer than the Wait of every long poll.
func NewClient(base string, hc *http.Client) (*Client, error) {
	full := base
	if !strings.Contains(base, "://") {
		full = "http://" + base
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, fmt.Errorf("apiserver: address of the API: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("apiserver: address of the API %q: want host:port or http://host:port", base)
	}
	if hc == nil {
		hc = &http.Client{}
	}
	return &Client{base: strings.TrimSuffix(u.String(), "/"), http: hc, limit: responseLimit}, nil
}

// Servers lists the servers that q selects. If q.Wait is set, the API server responds when the index of the selection differs from
// q.Index, or after q.Wait. The list can be the same as before.
func (c *Client) Servers(ctx context.Context, q Query) (*ServerList, error) {
	path := "/v1/servers"
	if params := q.values().Encode(); params != "" {
		path += "?" + params
	}
	return get[ServerList](ctx, c, path, requestTimeout+q.Wait)
}

// Server returns one server and explains its state. If the server is not registered, the error is a *Problem that matches ErrNotFound. If
// the API server knows how the registration ended, the detail of the Problem says so.
func (c *Client) Server(ctx context.Context, service, id string) (*registry.Explanation, error) {
	return get[registry.Explanation](ctx, c, "/v1/servers/"+segment(service)+"/"+segment(id), requestTimeout)
}

// Services counts the servers of each service by state. If the parameter complete is true and servers may be missing, the error is a
// *Problem with status 503.
func (c *Client) Services(ctx context.Context, complete bool) (*ServiceList, error) {
	path := "/v1/services"
	if params := (Query{Complete: complete}).values().Encode(); params != "" {
		path += "?" + params
	}
	return get[ServiceList](ctx, c, path, requestTimeout)
}

// Pick chooses one live server of a service. The policy hash chooses the same server for the same key while the membership stays
// the same. If there is no live server, the error is a *Problem with status 503.
func (c *Client) Pick(ctx context.Context, service string, q PickQuery) (*Picked, error) {
	path := "/v1/services/" + segment(service) + "/pick"
	if params := q.values().Encode(); params != "" {
		path += "?" + params
	}
	return get[Picked](ctx, c, path, requestTimeout)
}

// Status returns the status of the API server itself.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "/v1/status", requestTimeout)
}

// Ready returns nil if the API server is ready. Otherwise it returns a *Problem with the reason, or the error of the request.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.fetch(ctx, "/readyz", requestTimeout)
	return err
}

// segment escapes one element of a path. It also escapes the elements . and .., because in a path they would name a directory.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

func get[T any](ctx context.Context, c *Client, path string, timeout time.Duration) (*T, error) {
	body, err := c.fetch(ctx, path, timeout)
	if err != nil {
		return nil, err
	}
	response := new(T)
	if err := json.Unmarshal(body, response); err != nil {
		return nil, fmt.Errorf("apiserver: response to %s: %w", path, err)
	}
	return response, nil
}

func (c *Client) fetch(ctx context.Context, path string, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("apiserver: request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("apiserver: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, readProblem(resp)
	}
	body, err := readAll(resp.Body, c.limit)
	if err != nil {
		return nil, fmt.Errorf("apiserver: response to %s: %w", path, err)
	}
	return body, nil
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return body, err
}

// readProblem returns the Problem of an error response. If the body is not a Problem, for example because a proxy between the client and
// the API server responded, readProblem makes a Problem of the status and the beginning of the body.
func readProblem(resp *http.Response) *Problem {
	body, err := readAll(resp.Body, problemLimit)
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && mediaType == problem.ContentType {
		var p Problem
		if json.Unmarshal(body, &p) == nil && p.Status == resp.StatusCode {
			return &p
		}
	}
	const enough = 200 // number of characters of the body that the detail quotes
	return newProblem(resp.StatusCode, fmt.Sprintf("%.*q", enough, strings.TrimSpace(string(body))))
}
