package app

import (
	"errors"
	"testing"

	"rollcall/pipeline/nsqpubsub"
)

func TestWhyNothingIsHeard(t *testing.T) {
	type node = nsqpubsub.ConsumerNode
	type lookup = nsqpubsub.LookupState
	refused := errors.New("connection refused")
	for _, tt := range []struct {
		name string
		deafness
		want string
	}{
		{"nothing is known yet", deafness{}, "no nsqd is known yet"},
		{"nsqlookupd refuses", deafness{lookups: []lookup{{Address: "l:1", Err: refused}}},
			"no nsqd is known (nsqlookupd l:1: connection refused)"},
		{"nsqlookupd knows none", deafness{lookups: []lookup{{Address: "l:1"}, {Address: "l:2", Err: refused}}},
			"no nsqd is known (nsqlookupd l:1 names 0 nsqd; nsqlookupd l:2: connection refused)"},
		{"nsqd refuses", deafness{nodes: []node{{Address: "n:1", Err: refused}}},
			"none can be consumed from (nsqd n:1: connection refused)"},
		{"before the first connection", deafness{nodes: []node{{Address: "n:1"}}},
			"none can be consumed from (nsqd n:1: not connected yet)"},
		{"no TLS", deafness{nodes: []node{{Address: "n:1", Err: nsqpubsub.ErrNoTLS}}},
			"none can be consumed from (nsqd n:1: nsqpubsub: nsqd does not offer TLS)"},
		{"no secret", deafness{nodes: []node{{Address: "n:1", Err: errors.New("Auth Required")}}},
			"none can be consumed from (nsqd n:1: authorisation is refused, look at nsq.auth (Auth Required))"},
		{"a wrong secret", deafness{nodes: []node{{Address: "n:1", Err: errors.New("Error authenticating E_AUTH_FAILED AUTH failed")}}},
			"none can be consumed from (nsqd n:1: authorisation is refused, look at nsq.auth (Error authenticating E_AUTH_FAILED AUTH failed))"},
		{"a secret for another topic", deafness{nodes: []node{{Address: "n:1", Err: errors.New("E_UNAUTHORIZED AUTH failed for SUB")}}},
			"none can be consumed from (nsqd n:1: authorisation is refused, look at nsq.auth (E_UNAUTHORIZED AUTH failed for SUB))"},
		{"many", deafness{nodes: []node{{Address: "n:1"}, {Address: "n:2"}, {Address: "n:3"}, {Address: "n:4"}, {Address: "n:5"}}},
			"none can be consumed from (nsqd n:1: not connected yet; nsqd n:2: not connected yet; nsqd n:3: not connected yet; and 2 more)"},
		{"connected but silent", deafness{topic: "t", channel: "c", nodes: []node{{Address: "n:1", Connected: true}}},
			"all are connected and deliver nothing; topic t or channel c may be paused"},
		{"some are", deafness{nodes: []node{{Address: "n:1", Connected: true}, {Address: "n:2", Err: refused}}},
			"1 are connected and deliver nothing, others are not connected (nsqd n:2: connection refused)"},
		{"paused", deafness{
			nodes:  []node{{Address: "n:1", Connected: true}},
			paused: []nsqpubsub.Pause{{NSQD: "n:2", Topic: "t"}, {NSQD: "n:2", Topic: "t", Channel: "c"}},
		}, "topic t is paused at nsqd n:2; channel c of topic t is paused at nsqd n:2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.String(); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
