// Package integration tests the whole system: over embedded nsqd, over processes of their own that are stopped and
// killed, and in virtual time.
package integration
