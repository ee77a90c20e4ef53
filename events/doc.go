// Package events has rollcall's messages: the heartbeats that servers publish, the lifecycle events that API servers publish,
// and the Server of the HTTP API, each with its encoding and limits. README.md is the reference of the messages.
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
// The type Heartbeat documents the fields. The constants MaxBody to MaxWeight, and MaxLease, are the limits; Validate checks
// the fields. The decoders ignore unknown fields; DecodeFields also returns the names of unknown fields.
//
// The package uses no goroutine, clock or socket. It parses JSON with github.com/go-json-experiment/json, the module of the
// future encoding/json/v2, because encoding/json accepts duplicate names and invalid UTF-8.
package events

// Topics and names that other programs rely on.
const (
	HeartbeatTopic = "data_server_addr"
	EventTopic     = "server_events"
	InvalidSuffix  = ".invalid" // HeartbeatTopic + InvalidSuffix is the topic for rejected heartbeats
	DefaultService = "data"     // the service of a server that publishes a bare address
)

// A server states its identity to a prober in these headers of its responses, at least of the response to a GET of
// IdentityPath. A process with several servers at one address sends each header once for each server, in the same order.
// Unless a response has as many ServiceHeaders as IdentityHeaders, a prober ignores its ServiceHeaders. Unless a response
// has as many IncarnationHeaders as IdentityHeaders, a prober ignores its IncarnationHeaders.
const (
	IdentityHeader    = "X-Rollcall-Id"
	ServiceHeader     = "X-Rollcall-Service"
	IncarnationHeader = "X-Rollcall-Incarnation" // the incarnation that the server's heartbeats state; 0 if they state none
	IdentityPath      = "/healthz"
)
