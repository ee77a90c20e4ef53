// Package events has rollcall's messages: the heartbeats that servers publish, the lifecycle events that API servers publish,
// and the Server of the HTTP API, each with its encoding and limits. README.md is their reference.
//
//	topic data_server_addr          Heartbeat, JSON or a bare host:port   DecodeHeartbeat
//	topic data_server_addr.invalid  Rejected: the body with its reason    encoding/json
//	topic server_events             lifecycle events, CloudEvents 1.0     Encode, Decode
//
// A server publishes a heartbeat each interval, and a leave when it stops:
//
//	{"v":1,"service":"billing","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":42}
//	{"v":1,"type":"leave","service":"billing","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":43}
//
// Heartbeat documents the fields; Validate and the constants from MaxBody on have their limits. Unknown fields are ignored;
// DecodeFields returns their names.
//
// The package uses no goroutine, clock or socket. It parses JSON with github.com/go-json-experiment/json, the module of the
// future encoding/json/v2, because encoding/json accepts duplicate names and invalid UTF-8.
package events

// Topics and names that other programs rely on.
const (
	HeartbeatTopic = "data_server_addr"
	EventTopic     = "server_events"
	InvalidSuffix  = ".invalid" // appended to the heartbeat topic: the topic for rejected heartbeats
	DefaultService = "data"     // the service of a bare address
)

// A server states its identity to a prober in these response headers, at least on IdentityPath. A process with several
// servers at one address sends each header once for each server, in the same order. A prober ignores ServiceHeader or
// IncarnationHeader if the response does not have it as often as IdentityHeader.
const (
	IdentityHeader    = "X-Rollcall-Id"
	ServiceHeader     = "X-Rollcall-Service"
	IncarnationHeader = "X-Rollcall-Incarnation" // as in the heartbeats; 0 if they have none
	IdentityPath      = "/healthz"
)
