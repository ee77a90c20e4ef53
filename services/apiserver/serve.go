package apiserver

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"rollcall/services/problem"
)

const (
	jsonType = "application/json"
	textType = "text/plain; charset=utf-8"
)

const (
	bodyLimit    = 64 << 10         // largest request body, in bytes
	writeTimeout = 30 * time.Second // time that a client has to read the response
	queryTimeout = 5 * time.Second  // time that the registry has to respond
)

// serve adds to the handler h what all routes have in common: the limit of the body, the responses to errors, and metrics.
func (s *Server) serve(route string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		rec.Header().Set("Cache-Control", "no-cache")
		rec.Header().Set("X-Content-Type-Options", "nosniff")
		err := dropBody(rec, r)
		if err == nil {
			err = h(rec, r)
		}
		if err != nil {
			s.fail(rec, r, err)
		}
		s.requests.observe(routeOf(route, r), rec.status, time.Since(begun))
	})
}

// routeOf returns the name of the route for metrics. Long polls have a name of their own.
func routeOf(route string, r *http.Request) string {
	if r.URL.Query().Has("index") {
		return route + "?index"
	}
	return route
}

// fail responds with the problem of err.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError {
		s.cfg.Log.Error("api: request failed", zap.String("path", r.URL.Path), zap.Error(err))
	}
	limitWrite(w)
	(*problem.Problem)(p).Write(w)
}

// dropBody reads and discards the body, which no route uses. If the body stayed unread, net/http might close the connection.
func dropBody(w http.ResponseWriter, r *http.Request) error {
	if r.Body == http.NoBody {
		return nil
	}
	err := readBody(w, r)
	if err != nil {
		w.Header().Set("Connection", "close") // otherwise net/http reads the rest of the body before it responds
	}
	return err
}

func readBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength > bodyLimit {
		return &http.MaxBytesError{Limit: bodyLimit}
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, bodyLimit)); err != nil {
		return fmt.Errorf("%w: %w", errBody, err)
	}
	return nil
}

func respondJSON(w http.ResponseWriter, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return err
	}
	respond(w, http.StatusOK, jsonType, body)
	return nil
}

// respond writes a complete response. It ignores errors of w, because they mean that the client's connection is broken.
func respond(w http.ResponseWriter, status int, contentType string, body []byte) {
	limitWrite(w)
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func limitWrite(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
}

// recorder is a ResponseWriter that remembers the status of the response for the metrics.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the writer that http.ResponseController needs.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
