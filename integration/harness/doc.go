// Package harness runs rollcall as its users do and measures what they notice. A Site is an installation with each part in a
// process of its own, so that a test can stop and kill parts. A Cluster runs in the process of the test. Load sends requests
// through the proxy, a Poller watches the HTTP API, and an EventLog keeps the lifecycle events.
//
// Every package that uses the harness calls Main from its TestMain: the test binary is also the binary of the child processes.
package harness
