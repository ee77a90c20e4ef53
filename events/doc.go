// Package events is rollcall's vocabulary on the wire: what servers say of themselves
// (Heartbeat), what an API server knows of them (Server), and what it tells the world
// (the lifecycle events), each with its codec and limits.
//
//	topic data_server_addr          Heartbeat, JSON or a bare host:port   DecodeHeartbeat
//	topic data_server_addr.invalid  Rejected: the body with its reason    encoding/json
//	topic server_events             lifecycle events, CloudEvents 1.0     Encode, Decode
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

// How a server tells its id to whoever asks it over HTTP: in this header of the response, at least on this path.
const (
	IdentityHeader = "X-Rollcall-Id"
	IdentityPath   = "/healthz"
)
