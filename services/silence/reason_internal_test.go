package silence

import (
	"errors"
	"fmt"
	"testing"

	"rollcall/pipeline/nsqpubsub"
)

func TestReasonOfSilence(t *testing.T) {
	type node = nsqpubsub.ConsumerNode
	type lookup = nsqpubsub.LookupState
	refused := errors.New("connection refused")
	for _, tt := range []struct {
		name string
		brokers
		want string
	}{
		{"no broker is known yet", brokers{}, "no nsqd is known yet"},
		{"nsqlookupd refuses the connection", brokers{lookups: []lookup{{Address: "l:1", Err: refused}}},
			"no nsqd is known (nsqlookupd l:1: connection refused)"},
		{"nsqlookupd knows no nsqd", brokers{lookups: []lookup{{Address: "l:1"}, {Address: "l:2", Err: refused}}},
			"no nsqd is known (nsqlookupd l:1 names 0 nsqd; nsqlookupd l:2: connection refused)"},
		{"nsqd refuses the connection", brokers{nodes: []node{{Address: "n:1", Err: refused}}},
			"no nsqd is connected (nsqd n:1: connection refused)"},
		{"nsqd is not connected yet", brokers{nodes: []node{{Address: "n:1"}}},
			"no nsqd is connected (nsqd n:1: not connected yet)"},
		{"nsqd does not offer TLS", brokers{nodes: []node{{Address: "n:1", Err: nsqpubsub.ErrNoTLS}}},
			"no nsqd is connected (nsqd n:1: nsqpubsub: nsqd does not offer TLS)"},
		{"the secret is missing or wrong", brokers{nodes: []node{{Address: "n:1", Err: fmt.Errorf("AUTH: %w: E_AUTH_FAILED", nsqpubsub.ErrUnauthorized)}}},
			"no nsqd is connected (nsqd n:1: not authorized, check nsq.auth (AUTH: nsqpubsub: not authorized: E_AUTH_FAILED))"},
		{"the first three of many nsqd are listed", brokers{nodes: []node{{Address: "n:1"}, {Address: "n:2"}, {Address: "n:3"}, {Address: "n:4"}, {Address: "n:5"}}},
			"no nsqd is connected (nsqd n:1: not connected yet; nsqd n:2: not connected yet; nsqd n:3: not connected yet; and 2 more)"},
		{"every nsqd is connected", brokers{topic: "t", channel: "c", nodes: []node{{Address: "n:1", Connected: true}}},
			"every nsqd is connected and delivers nothing; topic t or channel c may be paused"},
		{"some nsqd are connected", brokers{nodes: []node{{Address: "n:1", Connected: true}, {Address: "n:2", Err: refused}}},
			"1 nsqd are connected and deliver nothing; not connected: nsqd n:2: connection refused"},
		{"topic and channel are paused", brokers{
			nodes:  []node{{Address: "n:1", Connected: true}},
			paused: []nsqpubsub.Pause{{NSQD: "n:2", Topic: "t"}, {NSQD: "n:2", Topic: "t", Channel: "c"}},
		}, "topic t is paused at nsqd n:2; channel c of topic t is paused at nsqd n:2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.reason(); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
