package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		args       []string
		failure    string   // the error, if the heartbeat is rejected
		out        []string // parts of the standard output
		notes      string   // the standard error
	}{
		{"one in order has every default", `{"v":1,"service":"db","addr":"10.0.0.7:5432","incarnation":1763812345678,"seq":42}`, nil, "",
			[]string{`"type": "heartbeat"`, `"id": "10.0.0.7:5432"`, `"interval_ms": 5000`, `"ttl_ms": 10000`, `"weight": 100`}, ""},
		{"a bare address", "10.0.0.7:5432\n", nil, "", []string{`"service": "data"`, `"addr": "10.0.0.7:5432"`},
			"rollcall: note: without incarnation and seq, API servers cannot distinguish a restart from a late message\n"},
		{"an address in its canonical form", `{"v":1,"service":"db","addr":"[2001:DB8::0:1]:80","incarnation":1,"seq":1}`, nil, "", []string{`"addr": "[2001:db8::1]:80"`}, ""},
		{"a leave", `{"v":1,"type":"leave","service":"db","addr":"10.0.0.7:5432","incarnation":1,"seq":2}`, nil, "", []string{`"type": "leave"`}, ""},
		{"a leave without an incarnation", `{"v":1,"type":"leave","service":"db","addr":"10.0.0.7:5432"}`, nil, "", []string{`"type": "leave"`},
			"rollcall: note: a leave without an incarnation removes any server with this id\n"},
		{"an unknown field", `{"v":1,"service":"db","addr":"10.0.0.7:5432","incarnation":1,"seq":2,"ttl":10}`, nil, "", []string{`"ttl_ms": 10000`},
			"rollcall: note: field \"ttl\" is unknown and ignored\n"},
		{"a clock that is ahead", `{"v":1,"service":"db","addr":"10.0.0.7:5432","incarnation":9100000000000,"seq":2}`, nil, "", []string{`"seq": 2`},
			"rollcall: note: incarnation 9100000000000 is in the future, so it does not replace a server whose heartbeats arrive\n"},
		{"a leave in a wrong form", `{"v":1,"service":"db","addr":"10.0.0.7:5432","leave":true}`, nil,
			`rejected: malformed: leave is true, but there is no such field: a leave has "type":"leave"`, nil, ""},
		{"a weight of the wrong type", `{"v":1,"service":"db","addr":"10.0.0.7:5432","weight":"1"}`, nil, `rejected: weight: weight is "1"`, nil, ""},
		{"nothing", "", nil, `rejected: malformed: "" is neither a JSON object nor an address`, nil, ""},
		{"an address outside of what is allowed", "10.0.0.7:5432", []string{"--registry.allow", "192.168.0.0/16"},
			"rejected: denied: 10.0.0.7:5432 is outside of registry.allow", nil, ""},
		{"more than fits", strings.Repeat(" ", 9000), nil, "rejected: toolarge: body of 8193 bytes, want at most 8192", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			root := newRoot(&stdout, &stderr)
			root.SetIn(strings.NewReader(tt.body))
			root.SetArgs(append([]string{"validate"}, tt.args...))
			err := root.Execute()
			if text := ""; err != nil || tt.failure != "" {
				if err != nil {
					text = err.Error()
				}
				if text != tt.failure || errors.As(err, new(usageError)) || stdout.Len() > 0 {
					t.Errorf("got %q and output %q, want the failure %q", text, stdout.String(), tt.failure)
				}
			}
			for _, want := range tt.out {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("got %s\nwant %s in it", stdout.String(), want)
				}
			}
			if stderr.String() != tt.notes {
				t.Errorf("notes %q, want %q", stderr.String(), tt.notes)
			}
		})
	}
}
