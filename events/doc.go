// Package events is rollcall's vocabulary on the wire: what servers say of themselves
// (Heartbeat), what an API server knows of them (Server), and what it tells the world
// (the lifecycle events), each with its codec and limits.
//
//	topic data_server_addr          Heartbeat, JSON or a bare host:port   DecodeHeartbeat
//	topic data_server_addr.invalid  Rejected: the body with its reason    encoding/json
//	topic server_events             lifecycle events, CloudEvents 1.0     Encode, Decode
//
// A heartbeat that a server publishes each interval, and the leave with which it ends:
//
//	{"v":1,"service":"billing","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":42}
//	{"v":1,"type":"leave","service":"billing","addr":"10.0.0.7:8080","incarnation":1763812345678,"seq":43}
//
// Heartbeat has the fields, the constants from MaxBody on and Validate their bounds. Unknown fields are ignored;
// DecodeFields names them.
//
// The package holds no goroutine, clock or socket. It imports the standard library and
// github.com/go-json-experiment/json alone, which is the coming encoding/json/v2 in a module of its own until
// Go ships it by default: encoding/json accepts duplicate names and invalid UTF-8.
package events

// Topics and names that peers rely on.
const (
	HeartbeatTopic = "data_server_addr"
	EventTopic     = "server_events"
	InvalidSuffix  = ".invalid" // of the heartbeat topic: where rejected bodies go
	DefaultService = "data"     // the service of a bare address
)

// How a server tells its identity to a prober: in these headers of the response, at least on this path. A process with
// several servers at one address sends each header once for each server, in the same order. A header that is sent a
// different number of times than IdentityHeader tells nothing.
const (
	IdentityHeader    = "X-Rollcall-Id"
	ServiceHeader     = "X-Rollcall-Service"
	IncarnationHeader = "X-Rollcall-Incarnation" // as in the heartbeats; 0: none
	IdentityPath      = "/healthz"
)
