package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"

	"rollcall/services/balancer"
)

// KeySource is where the policy hash finds the key of a request.
type KeySource string

const (
	KeyClient KeySource = "client" // the client's IP address
	KeyHeader KeySource = "header"
	KeyCookie KeySource = "cookie"
	KeyQuery  KeySource = "query" // a parameter
)

// HashKey is what requests must have in common to reach the same server.
type HashKey struct {
	Source KeySource
	Name   string // of the header, cookie or parameter
}

// ParseHashKey reads client, header:NAME, cookie:NAME or query:NAME.
func ParseHashKey(text string) (HashKey, error) {
	source, name, _ := strings.Cut(text, ":")
	k := HashKey{KeySource(source), name}
	if k.Validate() != nil {
		return HashKey{}, fmt.Errorf("%q: want client, header:NAME, cookie:NAME or query:NAME", text)
	}
	return k, nil
}

// Validate tells what is wrong with k.
func (k HashKey) Validate() error {
	switch k.Source {
	case KeyClient:
		if k.Name == "" {
			return nil
		}
	case KeyHeader, KeyCookie, KeyQuery:
		if validToken(k.Name) || k.Source == KeyQuery && k.Name != "" {
			return nil
		}
	}
	return errors.New("proxy: hash key: want client, or the name of a header, cookie or query parameter")
}

// of is the key of a request.
func (k HashKey) of(r *http.Request) uint64 {
	var value string
	switch k.Source {
	case KeyHeader:
		value = r.Header.Get(k.Name)
	case KeyCookie:
		if c, err := r.Cookie(k.Name); err == nil {
			value = c.Value
		}
	case KeyQuery:
		if q, err := url.ParseQuery(r.URL.RawQuery); err == nil {
			value = q.Get(k.Name)
		}
	default:
		value = clientIP(r)
	}
	return keyOf(value)
}

// keyOf spreads requests without a value by chance.
func keyOf(value string) uint64 {
	if value == "" {
		return rand.Uint64()
	}
	return balancer.KeyOf(value)
}
