package events_test

import (
	"encoding/json"
	"testing"

	"rollcall/events"
)

var badAddrs = []string{
	"", ":", ":80", "10.0.0.7", "10.0.0.7:", "10.0.0.7:0", "10.0.0.7:00", "10.0.0.7:08080", "10.0.0.7:65536", "10.0.0.7:-1",
	"10.0.0.7:+80", "10.0.0.7:http", "10.0.0.7:8_0", "10.0.0.7:80:80", "10.0.0.7:0x50", " 10.0.0.7:80", "10.0.0.7:80 ", "10.0.0.7:80\n",
	"10.0.0.7: 80", "http://10.0.0.7:80", "http://10.0.0.7:80/", "10.0.0.7:80/", "10.0.0.7:80/metrics", "10.0.0.7:80?x=1", "user@10.0.0.7:80",
	"user:secret@10.0.0.7:80", "0x7f000001:80", "2130706433:80", "0177.0.0.1:80", "010.0.0.7:80", "127.1:80", "10.0.0.256:80",
	"10.0.0.7.:80", "localhost:80", "example.com:80", "::1", "[::1]", "::1:80", "[::1]:0", "[::1]:08", "[::1%eth0]:80", "[fe80::1%1]:80",
	"[::ffff:10.0.0.7%eth0]:80", "[10.0.0.7]:80", "[::1]80", "[::1:80", "10.0.0.7:\uff18\uff10", "\uff11\uff10.0.0.7:80", "10.0.0.7:80\x00",
}

func TestParseAddrRejects(t *testing.T) {
	for _, s := range badAddrs {
		ap, err := events.ParseAddr(s)
		if err == nil {
			t.Errorf("%q: accepted as %v", s, ap)
			continue
		}
		if got := mustInvalid(t, err); got.Reason != events.ReasonAddress {
			t.Errorf("%q: reason %s", s, got.Reason)
		}
		if ap.IsValid() {
			t.Errorf("%q: %v together with the error %v", s, ap, err)
		}
	}
}

func TestParseAddrAccepts(t *testing.T) {
	for s, want := range map[string]string{
		"10.0.0.7:8080":           "10.0.0.7:8080",
		"10.0.0.7:1":              "10.0.0.7:1",
		"10.0.0.7:10":             "10.0.0.7:10",
		"10.0.0.7:65535":          "10.0.0.7:65535",
		"[::1]:80":                "[::1]:80",
		"[2001:DB8::0:1]:80":      "[2001:db8::1]:80",
		"[::ffff:10.0.0.7]:8080":  "10.0.0.7:8080",
		"[::ffff:0a00:0007]:8080": "10.0.0.7:8080",
		"0.0.0.0:80":              "0.0.0.0:80", // valid syntax; stages.Permit denies it
	} {
		ap, err := events.ParseAddr(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		} else if ap.String() != want {
			t.Errorf("%s: got %v, want %s", s, ap, want)
		}
	}
}

// quoted returns s as a JSON string.
func quoted(s string) string {
	b, _ := json.Marshal(s) // cannot fail for a string
	return string(b)
}
