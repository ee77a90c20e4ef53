// Package apiserver is the HTTP API of an API server, and the Go client of the same API.
//
//	GET /v1/servers                  the roll: filters, ETag, long poll     Client.Servers
//	GET /v1/servers/{service}/{id}   one server, and why it is in its state Client.Server
//	GET /v1/services                 each service, counted by state         Client.Services
//	GET /v1/services/{service}/pick  one live server: policy, key           Client.Pick
//	GET /v1/status                   this API server and what it hears      Client.Status
//	GET /v1/prometheus/targets       the roll, for Prometheus' http_sd_configs
//	GET /openapi.yaml                this API as an OpenAPI document
//	GET /livez, /readyz, /metrics    for those who watch over the process   Client.Ready
//
// A handler owns nothing: it asks the registry by message and writes the answer. Nothing waits for
// ever: a question to the registry ends after 5 s, a long poll after its wait, a client that does not
// read is cut off after 30 s. Lists of more than 1000 entries are bounded: as many are encoded at once as half of the
// processors, and beyond 128 MiB that clients have not read yet, or 2 s of waiting, such a list is a 503.
//
// Every error is a Problem (RFC 9457), but for requests that net/http refuses before they get here: broken
// HTTP (400) and headers over 16 KiB (431). An empty list is the truth: before the
// roll is complete, and while nothing comes through any nsqd, lists that would be empty are answered with 503 instead.
// A pick of a service without a live server is a 503 at any time. The list for Prometheus, who takes it as the whole truth, is a
// 503 as long as anybody may be missing; while blind it is the roll that was kept.
package apiserver
