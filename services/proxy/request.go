package proxy

import (
	"net/http"

	"rollcall/events"
)

// request is a request of a client: where it comes from, where it goes, and what of its path the server sees. It is a Header.
type request struct {
	r         *http.Request
	id        string
	client    string // its IP address
	trusted   bool   // the connection is from a trusted proxy
	websocket bool
	to        target
	rewrites  bool           // paths in the header of the response become those of the client
	prefix    string         // of the client's path that the server does not see
	outer     string         // what a trusted proxy has stripped before that
	server    *events.Server // of the attempt
}
