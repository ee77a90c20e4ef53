// Package stack tests the complete installation: docker-compose.yml in containers (containers_test.go), the demo, and what
// Prometheus scrapes and Grafana shows. Tests skip themselves where Docker or Prometheus is missing.
package stack
