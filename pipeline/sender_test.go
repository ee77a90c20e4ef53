package pipeline_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"rollcall/events"
	"rollcall/pipeline"
	"rollcall/stages"
)

// The log message about a rejected heartbeat names the sender as far as the heartbeat states it.
func TestSenderOfRejectedHeartbeatIsLogged(t *testing.T) {
	const known = `"service":"data","id":"a","addr":"10.0.0.7:80"`
	for reason, tt := range map[events.Reason]struct{ body, want string }{
		events.ReasonVersion:     {`{"v":2,` + known + `}`, "data a 10.0.0.7:80"},
		events.ReasonMalformed:   {`{"v":1,` + known + `,"leave":true}`, "data a 10.0.0.7:80"},
		events.ReasonWeight:      {`{"v":1,` + known + `,"weight":"x"}`, "data a 10.0.0.7:80"},
		events.ReasonSeq:         {`{"v":1,` + known + `,"incarnation":7}`, "data a 10.0.0.7:80"},
		events.ReasonIncarnation: {`{"v":1,` + known + `,"seq":7}`, "data a 10.0.0.7:80"},
		events.ReasonInterval:    {`{"v":1,` + known + `,"ttl_ms":1}`, "data a 10.0.0.7:80"},
		events.ReasonMeta:        {`{"v":1,` + known + `,"zone":7}`, "data a 10.0.0.7:80"},
		events.ReasonDenied:      {`{"v":1,"service":"data","id":"a","addr":"0.0.0.0:80"}`, "data a 0.0.0.0:80"},
		events.ReasonAddress:     {`{"v":1,"service":"data","id":"a","addr":7}`, "data a "},
		events.ReasonService:     {`{"v":1,"service":"../x","id":"a","addr":"10.0.0.7:80"}`, "../x a 10.0.0.7:80"},
	} {
		t.Run(string(reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, in := mustBench(t), newInbox()
				b.Consume("c", "t", in, pipeline.Chain{{Name: "decode", Stage: stages.Decode{}}, {Name: "validate", Stage: stages.Validate{}}})
				stop := b.start(t)
				in.send(tt.body)
				stop()
				lines := b.logs.FilterMessageSnippet("heartbeat rejected").All()
				if len(lines) != 1 {
					t.Fatalf("%d log messages, want 1", len(lines))
				}
				got := lines[0].ContextMap()
				if sender := fmt.Sprint(got["service"], " ", got["id"], " ", got["addr"]); sender != tt.want || got["reason"] != string(reason) {
					t.Errorf("logged sender %q, reason %v; want %q, %s", sender, got["reason"], tt.want, reason)
				}
			})
		})
	}
}
