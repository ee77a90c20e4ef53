// Package balancer chooses, among the servers of one service, the one for the next request.
package balancer
