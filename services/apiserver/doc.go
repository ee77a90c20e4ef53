// Package apiserver serves the HTTP API of an API server, and has a Go client for it. README.md describes the API for its users.
//
//	GET /v1/servers                  the servers: filters, ETag, long poll    Client.Servers
//	GET /v1/servers/{service}/{id}   one server, and why it is in its state   Client.Server
//	GET /v1/services                 each service, counted by state           Client.Services
//	GET /v1/services/{service}/pick  one live server: policy, key             Client.Pick
//	GET /v1/status                   the API server and its reception         Client.Status
//	GET /v1/prometheus/targets       the servers, for http_sd_configs of Prometheus
//	GET /openapi.yaml                this API as an OpenAPI document
//	GET /livez, /readyz, /metrics    health and metrics of the process        Client.Ready
//
// Handlers keep no state: a handler queries the registry and writes the response. Every wait is bounded: a query of the registry by 5 s, a
// long poll by its wait, and the write of a response by 30 s. The number and the memory of long lists (more than 1000 entries) are
// limited; see lists.go.
//
// Every error is a Problem (RFC 9457), except for requests that net/http rejects before a handler runs: broken HTTP (400) and headers over
// 16 KiB (431). An empty list means that no registered server matches the request. While the API server is not ready, or no message
// arrives through any nsqd, the API responds with 503 instead of an empty list. The list for Prometheus is a 503 whenever a server may be
// missing, because Prometheus removes the targets that a list lacks.
package apiserver
