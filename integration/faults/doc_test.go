// Package faults tests what an operator sees when a part fails: data servers (deaths_test.go), nsqd and nsqlookupd
// (brokers_test.go, lookupd_test.go, links_test.go), the API server (pauses_test.go, restart_test.go), and many parts at once
// (massfailure_test.go, flood_test.go, soak_test.go). Each test logs the measured value beside its limit.
package faults
