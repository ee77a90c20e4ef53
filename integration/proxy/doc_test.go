// Package proxy tests what users of the proxy notice when servers, API servers or other clients fail.
package proxy
