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

// KeySource is the part of a request from which the policy "hash" takes its key.
type KeySource string

const (
	KeyClient KeySource = "client" // the client's IP address
	KeyHeader KeySource = "header"
	KeyCookie KeySource = "cookie"
	KeyQuery  KeySource = "query" // a query parameter
)

// HashKey selects the key of the policy "hash". Requests with the same key go to the same server.
type HashKey struct {
	Source KeySource
	Name   string // name of the header field, cookie or query parameter; empty for KeyClient
}

// ParseHashKey parses client, header:NAME, cookie:NAME or query:NAME.
func ParseHashKey(text string) (HashKey, error) {
	source, name, _ := strings.Cut(text, ":")
	k := HashKey{KeySource(source), name}
	if k.Validate() != nil {
		return HashKey{}, fmt.Errorf("%q: want client, header:NAME, cookie:NAME or query:NAME", text)
	}
	return k, nil
}

// Validate returns an error if k is invalid.
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

// hashKey returns the key of the request for the policy "hash". If the request has no key, hashKey counts the request and returns a random
// key.
func (x *call) hashKey() uint64 {
	value := x.p.cfg.Hash.value(x.request.r, x.request.client)
	if value == "" {
		x.metrics.keyless.Inc()
	}
	return keyOf(value)
}

// value returns the raw value of the request's key, or an empty string if the request has no key. Like nginx, it does not decode or unquote
// values, and it ignores malformed cookies and parameters.
func (k HashKey) value(r *http.Request, client string) string {
	switch k.Source {
	case KeyHeader:
		if k.Name == "Host" { // net/http moves the field Host from the header to r.Host
			return r.Host
		}
		for _, v := range r.Header[k.Name] {
			if v != "" {
				return v
			}
		}
		return ""
	case KeyCookie:
		return cookieValue(r.Header["Cookie"], k.Name)
	case KeyQuery:
		return queryValue(r.URL.RawQuery, k.Name)
	}
	return client
}

// cookieValue returns the value of the first cookie with the given name in all Cookie fields.
func cookieValue(fields []string, name string) string {
	for _, field := range fields {
		for pair := range strings.SplitSeq(field, ";") {
			n, v, _ := strings.Cut(pair, "=")
			if strings.Trim(n, " \t") == name {
				return strings.Trim(v, " \t")
			}
		}
	}
	return ""
}

// queryValue returns the raw value of the first parameter with the given name. The name in the query may be escaped.
func queryValue(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		n, v, _ := strings.Cut(pair, "=")
		if n == name {
			return v
		}
		if strings.ContainsAny(n, "%+") {
			if decoded, err := url.QueryUnescape(n); err == nil && decoded == name {
				return v
			}
		}
	}
	return ""
}

// keyOf hashes a value to a key for the balancer. If the value is empty, keyOf returns a random key.
func keyOf(value string) uint64 {
	if value == "" {
		return rand.Uint64()
	}
	return balancer.KeyOf(value)
}
