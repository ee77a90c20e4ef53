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
		{"JSON object", `{"v":1,"service":"data","addr":"10.0.0.7:8080"}`, ""},
		{"bare address", "10.0.0.7:8080\n", ""},
		{"empty body", "", events.ReasonMalformed},
		{"truncated object", `{"v":1,"service":"da`, events.ReasonMalformed},
		{"compressed body", "\x1f\x8b\x08\x00\x00", events.ReasonMalformed},
		{"body as long as the limit", `{"v":1,"service":"data","addr":"10.0.0.7:8080"}` + strings.Repeat(" ", events.MaxBody-47), ""},
		{"body one byte longer than the limit", `{"v":1,"service":"data","addr":"10.0.0.7:8080"}` + strings.Repeat(" ", events.MaxBody-46), events.ReasonTooLarge},
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

func TestDecodeAllocatesNothing(t *testing.T) {
	env := received(`{"v":1,"service":"data","addr":"10.0.0.7:8080","seq":7,"interval_ms":5000}`)
	if got := testing.AllocsPerRun(100, func() {
		if err := (stages.Decode{}).Process(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("decoding allocates %v times, want 0", got)
	}
}

// fakeUnknown records the calls of Report.
type fakeUnknown struct{ reported []string }

func (u *fakeUnknown) Report(h *events.Heartbeat, names []string) {
	u.reported = append(u.reported, h.ID+": "+strings.Join(names, ","))
}

func TestDecodeReportsUnknownFields(t *testing.T) {
	u := &fakeUnknown{}
	for _, more := range []string{``, `,"colour":"blue"`, `,"Weight":1,"x":{}`} {
		env := received(`{"v":1,"service":"data","id":"a","addr":"10.0.0.7:8080"` + more + `}`)
		if err := (stages.Decode{Unknown: u}).Process(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(u.reported, " "); got != "a: colour a: Weight,x" {
		t.Errorf("reported %q", got)
	}
}
