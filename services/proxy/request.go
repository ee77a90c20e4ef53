package proxy

import (
	"net/http"

	"rollcall/events"
)

// request is a request of a client with its origin and its target. It implements upstream.Header.
type request struct {
	r         *http.Request
	id        string
	client    string // its IP address
	trusted   bool   // the connection is from a trusted proxy
	websocket bool
	to        target
	rewrites  bool           // paths in the response header are rewritten
	prefix    string         // prefix of the path that is not sent to the server
	outer     string         // prefix that a trusted proxy has stripped before
	server    *events.Server // server of the current attempt
}
