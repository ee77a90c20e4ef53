// Package integration tests the whole system: over embedded nsqd, over processes of their own that are stopped and
// killed, and in virtual time.
//
// What must hold when something fails is a table of faults, and each of its rows a test: of a server's end
// (deaths_test.go), of nsqd and nsqlookupd (brokers_test.go, lookupd_test.go, links_test.go), of the API server itself
// (stalls_test.go, restart_test.go), of many at once (crowd_test.go, flood_test.go, soak_test.go), and of what users of
// the proxy notice of all that (proxy_*_test.go, and some of brokers_test.go). They use what a user has: the rollcall
// command, its HTTP API, the proxy, and the events on NSQ. A row logs its figure and its limit; see main_test.go for how
// to run all of them in full.
//
// The stack in containers is stack_test.go, and the rows that want it containers_test.go.
//
// What an operator sees is scrape_test.go and dashboard_test.go, of what Prometheus and Grafana are told to ask for, and
// prometheus_test.go, which runs Prometheus itself where it is installed.
//
// The simulation (sim_*_test.go) runs the real code of an API server in virtual time, among a thousand simulated servers
// and three nsqd, beside the plain rule "not heard for a TTL". A scenario is a line in sim_scenarios_test.go.
//
//	go test ./integration -run TestSimulation -v              three seeds, and a table
//	go test ./integration -run TestSimulation -v -seeds 200   as CI does, without -race
//	go test ./integration -run TestSimulation -v -seed 42     that one alone, the same each time
//	go test ./integration -run TestSimulation -v -day         24 virtual hours of loss as well
package integration
