package stages_test

import (
	"strings"
	"testing"

	"rollcall/events"
	"rollcall/stages"
)

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       events.Reason
	}{
		{"an object passes", `{"v":1,"service":"data","addr":"10.0.0.7:8080"}`, ""},
		{"a bare address passes", "10.0.0.7:8080\n", ""},
		{"an empty body is malformed", "", events.ReasonMalformed},
		{"a cut object is malformed", `{"v":1,"service":"da`, events.ReasonMalformed},
		{"compressed bytes are malformed", "\x1f\x8b\x08\x00\x00", events.ReasonMalformed},
		{"a body of the limit passes", `{"v":1,"service":"data","addr":"10.0.0.7:8080"}` + strings.Repeat(" ", events.MaxBody-47), ""},
		{"a byte more is too large", `{"v":1,"service":"data","addr":"10.0.0.7:8080"}` + strings.Repeat(" ", events.MaxBody-46), events.ReasonTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := received(tt.body)
			checkReason(t, stages.Decode{}.Process(t.Context(), env), tt.want)
			if passed := env.Heartbeat != nil; passed != (tt.want == "") {
				t.Errorf("heartbeat %+v", env.Heartbeat)
			}
			if env.Heartbeat != nil && (env.Heartbeat.Addr != "10.0.0.7:8080" || env.Heartbeat.Service != "data") {
				t.Errorf("heartbeat %+v", env.Heartbeat)
			}
		})
	}
}

func TestDecodeKeepsNothingOfThePayload(t *testing.T) {
	env := received(`{"v":1,"service":"data","addr":"10.0.0.7:8080"}`)
	if err := (stages.Decode{}).Process(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	clear(env.Payload)
	if env.Heartbeat.Addr != "10.0.0.7:8080" || env.Heartbeat.Service != "data" {
		t.Errorf("the heartbeat changed with the payload: %+v", env.Heartbeat)
	}
}

// unknown keeps the fields that it is told of.
type unknown struct{ told []string }

func (u *unknown) Unknown(h *events.Heartbeat, names []string) {
	u.told = append(u.told, h.ID+": "+strings.Join(names, ","))
}

func TestDecodeTellsOfUnknownFields(t *testing.T) {
	u := &unknown{}
	for _, more := range []string{``, `,"colour":"blue"`, `,"Weight":1,"x":{}`} {
		env := received(`{"v":1,"service":"data","id":"a","addr":"10.0.0.7:8080"` + more + `}`)
		if err := (stages.Decode{Fields: u}).Process(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(u.told, " "); got != "a: colour a: Weight,x" {
		t.Errorf("told %q", got)
	}
}
