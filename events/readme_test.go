package events_test

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rollcall/events"
)

func mustReadme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeExamplesAreValidMessages(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(mustReadme(t), -1)
	if len(blocks) != 6 {
		t.Fatalf("%d JSON examples, want 6", len(blocks))
	}
	for _, block := range blocks {
		body := block[1]
		switch {
		case strings.Contains(body, `"specversion"`):
			e, err := events.Decode([]byte(body))
			if err != nil {
				t.Errorf("%v in\n%s", err, body)
				continue
			}
			encoded, err := events.Encode(e)
			if err != nil || !sameJSON(t, string(encoded), body) {
				t.Errorf("want the event as Encode writes it, %v:\n%s", err, encoded)
			}
		case strings.Contains(body, `"reason"`):
			var rejected events.Rejected
			if err := json.Unmarshal([]byte(body), &rejected); err != nil || !sameJSON(t, string(mustJSON(t, rejected)), body) {
				t.Errorf("want a rejected heartbeat, %v:\n%s", err, body)
			}
		default:
			mustAccept(t, body)
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// The first column of each table in README.md lists the names that the code has, in the order of the code.
func TestReadmeTables(t *testing.T) {
	var fields, reasons []string
	for f := range reflect.TypeFor[events.Heartbeat]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	for _, r := range events.Reasons() {
		reasons = append(reasons, string(r))
	}
	for head, want := range map[string][]string{
		"| topic |":                  {events.HeartbeatTopic, events.HeartbeatTopic + events.InvalidSuffix, events.EventTopic},
		"| field |":                  fields,
		"| header of the response |": {events.IdentityHeader, events.ServiceHeader, events.IncarnationHeader},
		"| reason |":                 reasons,
		"| event |":                  mustConstants(t, "Type"),
	} {
		t.Run(strings.Trim(head, "| "), func(t *testing.T) {
			if got := firstColumn(t, head); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// firstColumn finds the table of README.md that begins with the text head. It returns the code span in the first column of
// each row.
func firstColumn(t *testing.T, head string) (names []string) {
	t.Helper()
	_, table, found := strings.Cut(mustReadme(t), "\n"+head)
	if !found {
		t.Fatalf("no table begins with %q", head)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		names = append(names, row[1])
	}
	return names
}

func TestReadmeNamesEachCause(t *testing.T) {
	_, table, _ := strings.Cut(mustReadme(t), "\n| event |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, c := range mustConstants(t, "Cause") {
		if !strings.Contains(table, "`"+c+"`") {
			t.Errorf("the table of events does not name the reason %s", c)
		}
	}
}

// mustConstants returns the values of the constants of a string type, in the order of lifecycle.go.
func mustConstants(t *testing.T, typ string) (values []string) {
	t.Helper()
	source, err := os.ReadFile("lifecycle.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t`+typ+`\w+ +`+typ+` += "([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		values = append(values, m[1])
	}
	if len(values) < 9 {
		t.Fatalf("%d constants of type %s", len(values), typ)
	}
	return values
}

func TestReadmeCommandsUseTheTopics(t *testing.T) {
	topics := regexp.MustCompile(`topic=([a-z_.]+)`).FindAllStringSubmatch(mustReadme(t), -1)
	if len(topics) != 2 {
		t.Errorf("%d commands name a topic, want 2", len(topics))
	}
	for _, topic := range topics {
		if topic[1] != events.HeartbeatTopic && topic[1] != events.EventTopic {
			t.Errorf("a command names the topic %s, which does not exist", topic[1])
		}
	}
}
