package events_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/events"
)

// badHeartbeats returns invalid bodies with the reasons for which they must be rejected.
func badHeartbeats(t testing.TB) []badHeartbeat {
	t.Helper()
	return slices.Concat(malformedBodies(t), badValues())
}

type badHeartbeat struct {
	name   string
	body   string
	reason events.Reason
}

// malformedBodies returns bodies with errors of syntax or type, and bodies that are too large.
func malformedBodies(t testing.TB) []badHeartbeat {
	const m = events.ReasonMalformed
	return []badHeartbeat{
		{"empty", "", m},
		{"only space", " \r\n\t", m},
		{"only a brace", "{", m},
		{"null", "null", m},
		{"null with a line end", "null\n", m},
		{"true", "true", m},
		{"number", "8080", m},
		{"string", `"10.0.0.7:8080"`, m},
		{"array", "[]", m},
		{"array of heartbeats", "[" + required("") + "]", m},
		{"truncated in a name", required("")[:8], m},
		{"truncated in a value", required("")[:20], m},
		{"truncated before the last brace", strings.TrimSuffix(required(""), "}"), m},
		{"two objects", required("") + required(""), m},
		{"two objects on two lines", required("") + "\n{}", m},
		{"object followed by a letter", required("") + "x", m},
		{"object followed by NUL", required("") + "\x00", m},
		{"missing comma", `{"v":1 "service":"data"}`, m},
		{"trailing comma", `{"v":1,}`, m},
		{"name without quotes", `{v:1}`, m},
		{"single quotes", `{'v':1}`, m},
		{"comment", "{/**/}", m},
		{"NaN", required(`"x":NaN`), m},
		{"leading zero", required(`"x":01`), m},
		{"unknown escape", required(`"zone":"\x"`), m},
		{"raw control character in a string", required("\"zone\":\"a\nb\""), m},
		{"wrong bracket", required(`"tags":["a"}`), m},
		{"duplicate field", required(`"v":1`), m},
		{"field leave is true", required(`"leave":true`), m},
		{"field leave is a string", required(`"leave":"yes"`), m},
		{"field leave is a number", required(`"leave":1`), m},
		{"field leave is an object", required(`"leave":{}`), m},
		{"type left instead of leave", required(`"type":"left"`), m},
		{"type leave in capitals", required(`"type":"LEAVE"`), m},
		{"duplicate field, one escaped", required(`"\u0076":1`), m},
		{"duplicate field that was null", required(`"zone":null,"zone":"a"`), m},
		{"duplicate key in meta", required(`"meta":{"a":"1","b":"2","a":"3"}`), m},
		{"duplicate key in meta, one escaped", required(`"meta":{"a":"1","\u0061":"1"}`), m},
		{"duplicate key in load", required(`"load":{"in_flight":1,"in_flight":1}`), m},
		{"duplicate unknown field", required(`"x":1,"y":2,"x":1`), m},
		{"duplicate inside an unknown field", required(`"x":[{"y":{"a":1,"a":2}}]`), m},
		{"invalid UTF-8 in a value", required("\"zone\":\"\xff\""), m},
		{"invalid UTF-8 in a name", required("\"\xff\":1"), m},
		{"invalid UTF-8 in meta", required("\"meta\":{\"k\":\"\xc3\x28\"}"), m},
		{"invalid UTF-8 in an unknown field", required("\"x\":[\"\xed\xa0\x80\"]"), m},
		{"overlong UTF-8", required("\"zone\":\"\xc0\xaf\""), m},
		{"lone surrogate", required(`"zone":"\ud800"`), m},
		{"UTF-16", "{\x00\"\x00v\x00\"\x00", m},
		{"gzip", gzipped(t, required("")), m},
		{"address followed by NUL", "10.0.0.7:8080\x00", m},
		{"address with invalid UTF-8", "10.0.0.7:80\xff", m},
		{"bare text longer than an id", strings.Repeat("a", 129), m},
		{"arrays nested up to the size limit", strings.Repeat("[", events.MaxBody), m},
		{"unknown field with arrays nested up to the size limit", deep("[", ""), m},
		{"unknown field with objects nested up to the size limit", deep(`{"a":`, ""), m},
		{"nested arrays closed by a brace", deep("[", "}"), m},
		{"type is a number", required(`"type":1`), m},
		{"unknown type", required(`"type":"Heartbeat"`), m},
		{"empty type", required(`"type":""`), m},
		{"sent_at is not a time", required(`"sent_at":"yesterday"`), m},
		{"sent_at without zone", required(`"sent_at":"2026-11-22T12:00:00"`), m},
		{"sent_at is a number", required(`"sent_at":1763812345`), m},
		{"sent_at with an offset that cannot be encoded", required(`"sent_at":"2026-11-22T12:00:00+24:00"`), m},

		{"one byte too large", required("") + strings.Repeat(" ", events.MaxBody+1-len(required(""))), events.ReasonTooLarge},
		{"arrays 10 000 deep", strings.Repeat("[", 10_000), events.ReasonTooLarge},
		{"1 MiB of zeros", strings.Repeat("\x00", 1<<20), events.ReasonTooLarge},
	}
}

// badValues returns bodies of valid syntax with invalid values.
func badValues() []badHeartbeat {
	rows := []badHeartbeat{
		{"v missing", `{"service":"data","addr":"10.0.0.7:8080"}`, events.ReasonVersion},
		{"empty object", `{}`, events.ReasonVersion},
		{"v null", `{"v":null,"service":"data","addr":"10.0.0.7:8080"}`, events.ReasonVersion},
		{"addr missing", `{"v":1,"service":"data"}`, events.ReasonAddress},
		{"addr missing, id present", `{"v":1,"service":"data","id":"a"}`, events.ReasonAddress},
		{"addr is an array", `{"v":1,"service":"data","addr":["10.0.0.7:8080"]}`, events.ReasonAddress},
		{"service missing", `{"v":1,"addr":"10.0.0.7:8080"}`, events.ReasonService},
		{"bare text", "hello world", events.ReasonAddress},
		{"truncated JSON string", `"10.0.0.7:8080`, events.ReasonAddress},
		{"several addresses", "10.0.0.7:8080\n10.0.0.8:8080", events.ReasonMalformed},
	}
	for _, v := range []string{"0", "2", "-1", "1.0", "1e0", `"1"`, "true", "99999999999999999999"} {
		rows = append(rows, badHeartbeat{"v " + v, `{"v":` + v + `,"service":"data","addr":"10.0.0.7:8080"}`, events.ReasonVersion})
	}
	for _, s := range []string{"", "../x", "Data", "-a", "a-", "a_b", "a.b", "a/b", "a b", "ä", "a\u0000", strings.Repeat("a", 200)} {
		rows = append(rows, badHeartbeat{fmt.Sprintf("service %.20q", s),
			fmt.Sprintf(`{"v":1,"service":%s,"addr":"10.0.0.7:8080"}`, quoted(s)), events.ReasonService})
	}
	for _, a := range badAddrs {
		rows = append(rows, badHeartbeat{fmt.Sprintf("addr %.40q", a),
			fmt.Sprintf(`{"v":1,"service":"data","addr":%s}`, quoted(a)), events.ReasonAddress})
	}
	for reason, fields := range map[events.Reason][]string{
		events.ReasonMeta: {
			`"meta":[]`, `"meta":"a"`, `"meta":{"a":1}`, `"meta":{"a":{}}`, `"meta":{"":"a"}`, `"meta":{"a\n":"b"}`,
			`"meta":{"a":"\u0000"}`, `"meta":{"a":"\u007f"}`, `"meta":{"a":"\u0085"}`, `"meta":{"ä\u009f":""}`,
			`"tags":{}`, `"tags":"a"`, `"tags":[1]`, `"tags":[""]`, `"tags":[null]`, `"tags":["a\tb"]`,
			`"id":1`, `"id":"a\nb"`, `"zone":1`, `"zone":"\u001b[31m"`, `"version":{}`, `"version":"\r"`,
			`"load":1`, `"load":[]`, `"load":{"in_flight":"3"}`, `"load":{"in_flight":0.5}`,
		},
		events.ReasonWeight:      {`"weight":-1`, `"weight":1001`, `"weight":0.5`, `"weight":"100"`, `"weight":1e2`, `"weight":4294967396`, `"weight":[]`},
		events.ReasonSeq:         {`"seq":-1`, `"seq":18446744073709551616`, `"seq":1.5`, `"seq":"1"`, `"incarnation":1`, `"incarnation":1,"seq":0`},
		events.ReasonIncarnation: {`"seq":1`, `"incarnation":-1,"seq":1`, `"incarnation":9223372036854775808`, `"incarnation":"1"`, `"incarnation":1.5,"seq":1`},
		events.ReasonInterval: {
			`"interval_ms":-1`, `"ttl_ms":-1`, `"interval_ms":"5s"`, `"ttl_ms":10.5`, `"interval_ms":5000,"ttl_ms":5000`,
			`"interval_ms":5000,"ttl_ms":4999`, `"interval_ms":86400001`, `"ttl_ms":86400001`, `"interval_ms":9223372036854775807`,
		},
	} {
		for _, f := range fields {
			rows = append(rows, badHeartbeat{f, required(f), reason})
		}
	}
	return rows
}

func TestInvalidHeartbeatRejectedWithReason(t *testing.T) {
	for _, tt := range badHeartbeats(t) {
		t.Run(tt.name, func(t *testing.T) {
			err := mustReject(t, tt.body)
			if err.Reason != tt.reason {
				t.Errorf("reason %s, want %s (%v)", err.Reason, tt.reason, err)
			}
			if err.Detail == "" || len(err.Detail) > 1000 || strings.ContainsAny(err.Detail, "\x00\n\r\x1b") {
				t.Errorf("detail of %d bytes, want one short line: %.200q", len(err.Detail), err.Detail)
			}
			if !slices.Contains(events.Reasons(), err.Reason) {
				t.Errorf("reason %s is not among Reasons()", err.Reason)
			}
		})
	}
}

// Details are logged: a hostile body must not determine their length.
func TestDetailIsShort(t *testing.T) {
	long := strings.Repeat("\u00e9", 3500)
	for _, body := range []string{
		required(fmt.Sprintf(`"%s":1,"%[1]s":2`, long[:4000])),
		required(fmt.Sprintf(`"%s":x`, long)),
		required(fmt.Sprintf(`"type":"%s"`, long)),
		required(fmt.Sprintf(`"weight":"%s"`, long)),
		required(fmt.Sprintf(`"weight":1%s`, strings.Repeat("0", 5000))),
		required(fmt.Sprintf(`"tags":["%s"]`, long)),
		required(fmt.Sprintf(`"meta":{"%s":""}`, long)),
		required(fmt.Sprintf(`"sent_at":"%s"`, long)),
		fmt.Sprintf(`{"v":1,"addr":"a:1","service":"%s"}`, long),
		fmt.Sprintf(`{"v":1,"service":"a","id":"a","addr":"%s"}`, long),
	} {
		if err := mustReject(t, body); len(err.Detail) > 1000 {
			t.Errorf("%.60s: detail of %d bytes", body, len(err.Detail))
		}
	}
}

func TestHostileBodyRejectedWithinOneMillisecond(t *testing.T) {
	limit := time.Millisecond
	if underRaceDetector() {
		limit *= 10
	}
	for _, body := range []string{
		strings.Repeat("[", 10_000),
		strings.Repeat("[", events.MaxBody),
		deep("[", ""),
		deep(`{"a":`, ""),
		required(strings.Trim(string(mustJSON(t, manyKeys(700))), "{}") + `,"k0":""`),
	} {
		// The minimum of many runs counts, because other processes share the CPU.
		best := time.Hour
		for range 50 {
			start := time.Now()
			mustReject(t, body)
			best = min(best, time.Since(start))
		}
		if best > limit {
			t.Errorf("%.60s: %v", body, best)
		}
		t.Logf("%.60s: %v", body, best)
	}
}

func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// deep returns a heartbeat of at most MaxBody bytes with an unknown field. The value of that field is the parameter open,
// repeated as often as possible, followed by the parameter end.
func deep(open, end string) string {
	head := strings.TrimSuffix(required(`"x":`), "}")
	return head + strings.Repeat(open, (events.MaxBody-len(head)-len(end))/len(open)) + end
}

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
