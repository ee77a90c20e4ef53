package apiserver

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rollcall/events"
)

// parseFields parses the value of the parameter "fields".
func parseFields(value string) ([]string, error) {
	fields := strings.Split(value, ",")
	known := serverFields()
	for _, name := range fields {
		if !slices.ContainsFunc(known, func(f serverField) bool { return f.name == name }) {
			return nil, fmt.Errorf("has %.32q, which is not a member of a server", name)
		}
	}
	return fields, nil
}

// parseLimit parses the value of the parameter "limit".
func parseLimit(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return 0, errors.New("is not a whole number above 0")
	}
	return n, nil
}

// checkAfter checks the value of the parameter "after".
func checkAfter(value string) error {
	service, id, found := strings.Cut(value, "/")
	if !found || !events.ValidService(service) || id == "" {
		return errors.New("is not SERVICE/ID")
	}
	return nil
}

// filter returns the part of q that selects what the response has: two queries with the same filter have the same response.
func (q Query) filter() string {
	q.Wait, q.Complete = 0, false
	return q.values().Encode()
}
