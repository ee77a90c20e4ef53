package proxy

import (
	"net/http"

	"rollcall/events"
)

// request is a request of a client with its origin and its target. It implements upstream.Header.
type request struct {
	r         *http.Request
	id        string
	client    string // the client's IP address
	trusted   bool   // the connection is from a trusted proxy
	websocket bool
	to        target
	rewrites  bool           // paths in the response header are rewritten
	prefix    string         // prefix of the client's path that this proxy removes, or empty
	outer     string         // prefix that a trusted proxy has removed before this proxy, or empty
	server    *events.Server // server of the current attempt
}
