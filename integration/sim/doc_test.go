// Package sim runs the real code of an API server in virtual time, with a thousand simulated servers and three simulated nsqd,
// beside the naive rule "expire a server that was silent for its TTL". A scenario is a line in scenarios_test.go.
//
//	go test ./integration/sim -run TestSimulation -v              three seeds, and a table of results
//	go test ./integration/sim -run TestSimulation -v -seeds 200   as CI does, without -race
//	go test ./integration/sim -run TestSimulation -v -seed 42     one seed; every run gives the same results
//	go test ./integration/sim -run TestSimulation -v -day         24 virtual hours of message loss in addition
package sim
