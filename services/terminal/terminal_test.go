package terminal_test

import (
	"testing"
	"time"

	"rollcall/events"
	"rollcall/services/terminal"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"data-1":                               "data-1",
		"größer 東京 שלום":                       "größer 東京 שלום", // Hebrew letters are right to left without a control character
		"e\u0301":                              "e\u0301",        // a combining accent
		`a\b'"`:                                `a\b'"`,
		"\u202a\u202b\u202c\u202d\u202e":       `\u202a\u202b\u202c\u202d\u202e`,
		"\u2066\u2067\u2068\u2069":             `\u2066\u2067\u2068\u2069`,
		"\u200b\u200c\u200d\u200e\u200f\u061c": `\u200b\u200c\u200d\u200e\u200f\u061c`,
		"\ufeff\u2060\u00ad\u180e":             `\ufeff\u2060\u00ad\u180e`,
		"\u2028\u2029\u0085\u009b":             `\u2028\u2029\u0085\u009b`,
		"\x1b[31m\r\n\t\a\x7f\x00":             `\x1b[31m\r\n\t\a\x7f\x00`,
		"\U000e0001\U000e0041\U000e007f":       `\U000e0001\U000e0041\U000e007f`,
		"\ufe0f\U000e0100\u115f\u3164\uffa0":   `\ufe0f\U000e0100\u115f\u3164\uffa0`,
		"\u00a0\u3000\u2003\ue000\U0010ffff":   `\u00a0\u3000\u2003\ue000\U0010ffff`,
	} {
		if got := terminal.Escape(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestEventLineEscapesText(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 3, 25, 0, time.Local)
	e, _ := events.New(events.TypeExpired, events.Transition{
		Time: at, Cause: events.CauseTTL, Revision: 7, Observer: "api\u200b-1",
		Server: events.Server{Service: "data", ID: "\u202egnp.exe", Addr: "10.0.0.7:80"},
	})
	mode := events.ModeChanged{
		Transition: events.Transition{Time: at, Cause: "s\u200bilent", Revision: 8, Observer: "api-1"},
		Mode:       "no\u202ermal", Detail: "\x1b[2J",
	}
	if got, want := terminal.EventLine(mode), `12:03:25.000  mode        no\u202ermal: \x1b[2J  (s\u200bilent, revision 8 of api-1)`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	conflict := events.ConflictChanged{Transition: mode.Transition, Detail: "\u2066x"}
	if got, want := terminal.EventLine(conflict), `12:03:25.000  conflict    \u2066x  (s\u200bilent, revision 8 of api-1)`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	want := `12:03:25.000  expired     data/\u202egnp.exe  10.0.0.7:80  (ttl, revision 7 of api\u200b-1)`
	if got := terminal.EventLine(e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
