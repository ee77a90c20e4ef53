//go:build !linux

package clientconn

import "net"

// acceptBacklog returns nothing on this operating system. When the listener closes, the kernel resets the connections in its queue.
func acceptBacklog(l net.Listener) []net.Conn { return nil }
