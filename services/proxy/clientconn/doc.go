// Package clientconn handles the connections of the proxy's clients. It does what net/http does not do:
//
//   - It stops without resetting connections that wait to be accepted (listener.go).
//   - It watches which header fields frame a request body, because net/http removes some of them before a handler sees the request (conn.go).
//   - It notices that a client has gone, in fewer system calls (watch.go).
//   - It sends the header of a response together with the body, in one system call (cork.go).
//   - It reads on after a response that was sent before the end of the request body (linger.go).
//   - It does TLS handshakes, so that it can watch the header fields above TLS too (handshake.go).
package clientconn
