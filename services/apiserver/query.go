package apiserver

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

// Query selects servers. The zero Query selects all servers. Each filter (Service, State, Zone, Tags, Meta) that is set narrows the
// selection.
type Query struct {
	Service string
	State   events.State
	Zone    string
	Tags    []string          // the server has all of these tags
	Meta    map[string]string // the server has all of these entries

	Complete bool // the response is a 503 while servers may be missing in the registry

	Fields []string // members of each server that the response has, by their JSON names; empty: all
	Limit  int      // how many servers the response has at most, from 1; 0: all. ServerList.Next says where the next page begins
	After  string   // the response begins after this server, SERVICE/ID: ServerList.Next of the page before

	// Wait makes the request a long poll: the API server responds when the index of the selection differs from Index, or after Wait. Wait is
	// at most MaxWait.
	Wait  time.Duration
	Index uint64 // ServerList.Index of the list that the client has, with the same filters; 0: the response does not wait
}

const metaPrefix = "meta."

const notService = "is not a service name: want a DNS label in lower case"

// parseQuery is the inverse of Query.values. The error is a *parameterError.
func parseQuery(raw string) (Query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Query{}, &parameterError{raw, "is not a valid query: " + err.Error()}
	}
	var q Query
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := q.set(name, values[name]); err != nil {
			return Query{}, &parameterError{name, err.Error()}
		}
	}
	switch {
	case values.Has("index") && q.Wait == 0:
		q.Wait = DefaultWait
	case values.Has("wait") && !values.Has("index"):
		return Query{}, &parameterError{"wait", "requires index"}
	}
	return q, nil
}

// parseFilter is parseQuery for a list that has only filters: it also rejects the parameters of long polls, pages and fields.
func parseFilter(raw string) (Query, error) {
	values, _ := url.ParseQuery(raw) // parseQuery, called below, reports the error
	for _, name := range []string{"index", "wait"} {
		if values.Has(name) {
			return Query{}, &parameterError{name, "is not supported: this list has no long poll"}
		}
	}
	for _, name := range []string{"fields", "limit", "after"} {
		if values.Has(name) {
			return Query{}, &parameterError{name, "is not supported: this list has no pages and no choice of fields"}
		}
	}
	return parseQuery(raw)
}

func (q *Query) set(name string, values []string) error {
	if name == "tag" && !slices.Contains(values, "") {
		q.Tags = values
		return nil
	}
	value, err := single(values)
	if err != nil {
		return err
	}
	switch key, isMeta := strings.CutPrefix(name, metaPrefix); {
	case name == "service":
		q.Service = value
		if !events.ValidService(value) {
			return errors.New(notService)
		}
	case name == "state":
		q.State = events.State(value)
		if !slices.Contains(states(), q.State) {
			return fmt.Errorf("is not one of %v", states())
		}
	case name == "zone":
		q.Zone = value
	case name == "complete":
		q.Complete, err = true, isTrue(value)
		return err
	case name == "fields":
		q.Fields, err = parseFields(value)
		return err
	case name == "limit":
		q.Limit, err = parseLimit(value)
		return err
	case name == "after":
		q.After = value
		return checkAfter(value)
	case name == "index":
		if q.Index, err = strconv.ParseUint(value, 10, 64); err != nil {
			return errors.New("is not an index: want a whole number")
		}
	case name == "wait":
		if q.Wait, err = time.ParseDuration(value); err != nil || q.Wait <= 0 || q.Wait > MaxWait {
			return fmt.Errorf("is not a duration above 0 and up to %v, such as 30s", MaxWait)
		}
	case isMeta && key != "":
		if q.Meta == nil {
			q.Meta = make(map[string]string)
		}
		q.Meta[key] = value
	default:
		return errors.New("is unknown")
	}
	return nil
}

// parseComplete parses the query of a route that accepts only the parameter "complete", and returns its value. The error is a
// *parameterError.
func parseComplete(raw string) (bool, error) {
	q, err := parseFilter(raw)
	if err != nil {
		return false, err
	}
	complete := q.Complete
	q.Complete = false
	if params := q.values(); len(params) > 0 {
		return false, &parameterError{slices.Sorted(maps.Keys(params))[0], "is unknown"}
	}
	return complete, nil
}

func isTrue(value string) error {
	if value != "true" {
		return errors.New("is not true, which is the only valid value")
	}
	return nil
}

// single returns the value of a parameter that is given exactly once. It returns an error if the parameter is given more than once, or if a
// value is empty: an empty value probably comes from an unset variable in a script, and must not select every server.
func single(values []string) (string, error) {
	if slices.Contains(values, "") {
		return "", errors.New("is empty")
	}
	if len(values) > 1 {
		return "", errors.New("is given more than once")
	}
	return values[0], nil
}

// noParameters returns an error if raw, the query of a route without parameters, is not empty.
func noParameters(raw string) error {
	if raw == "" {
		return nil
	}
	name, _, _ := strings.Cut(raw, "=")
	return &parameterError{name, "is unknown"}
}

func (q Query) values() url.Values {
	v := make(url.Values)
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("service", q.Service)
	set("state", string(q.State))
	set("zone", q.Zone)
	if q.Complete {
		set("complete", "true")
	}
	set("fields", strings.Join(q.Fields, ","))
	set("after", q.After)
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	for _, tag := range q.Tags {
		v.Add("tag", tag)
	}
	for key, value := range q.Meta {
		v.Add(metaPrefix+key, value)
	}
	if q.Wait != 0 {
		v.Set("index", strconv.FormatUint(q.Index, 10))
		v.Set("wait", q.Wait.String())
	}
	return v
}

// selection returns the filters of q as a query of the registry.
func (q Query) selection() registry.Query {
	return registry.Query{Service: q.Service, State: q.State, Zone: q.Zone, Tags: q.Tags, Meta: events.NewMeta(q.Meta)}
}

func states() []events.State {
	return []events.State{events.StateAlive, events.StateSuspect, events.StateDraining}
}
