// Package problem writes error responses as problem details (RFC 9457).
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// ContentType is the media type of a problem.
const ContentType = "application/problem+json"

// StatusClientGone is the status that metrics show for a request whose client closed the connection before the response, as in nginx.
const StatusClientGone = 499

// Problem is the body of an error response.
type Problem struct {
	Type   string `json:"type"` // about:blank means that Status alone defines the type of the problem
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// New returns a problem whose title is the text of the status.
func New(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// Write writes p as the response. If the status is 503, the response asks the client to retry after one second. Write ignores errors of w,
// because they mean that the client's connection is broken.
func (p *Problem) Write(w http.ResponseWriter) {
	body, _ := json.Marshal(p) // cannot fail for strings and a number
	body = append(body, '\n')
	h := w.Header()
	h["Content-Type"] = []string{ContentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	if p.Status == http.StatusServiceUnavailable {
		h["Retry-After"] = []string{"1"}
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}
