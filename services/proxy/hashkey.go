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

// hashKey is the key of the request for the policy hash: a random one if the request has none, which is counted.
func (x *call) hashKey() uint64 {
	value := x.p.cfg.Hash.value(x.request.r, x.request.client)
	if value == "" {
		x.metrics.keyless.Inc()
	}
	return keyOf(value)
}

// value is the raw value of the key, as nginx reads it: nothing is decoded or unquoted, and what is malformed elsewhere in the query
// or in the cookies does not matter. It is empty if the request has no key.
func (k HashKey) value(r *http.Request, client string) string {
	switch k.Source {
	case KeyHeader:
		if k.Name == "Host" { // net/http takes it out of the header
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

// cookieValue is the value of the first cookie of that name in any of the Cookie fields.
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

// queryValue is the value of the first parameter of that name. The name may be escaped, for names that must be.
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

// keyOf spreads requests without a value by chance.
func keyOf(value string) uint64 {
	if value == "" {
		return rand.Uint64()
	}
	return balancer.KeyOf(value)
}
