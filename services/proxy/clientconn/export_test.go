package clientconn

import "net/http"

// Watched reports whether net/http has begun to wait for the client to close the connection.
func Watched(r *http.Request) bool {
	c, ok := connOf(r)
	return ok && c.(*conn).unwatched.Load()
}
