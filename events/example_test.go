package events_test

import (
	"errors"
	"fmt"

	"rollcall/events"
)

// A program that subscribes to the topic server_events decodes each message.
func ExampleDecode() {
	body := []byte(`{"specversion":"1.0","id":"5d41","source":"/rollcall/apiserver/api-1","type":"rollcall.server.expired",
		"subject":"data/9f0c2c5e","time":"2026-11-22T12:00:10.250Z","datacontenttype":"application/json",
		"data":{"server":{"service":"data","id":"9f0c2c5e","addr":"10.0.0.7:8080"},"reason":"ttl","revision":118,"observer":"api-1"}}`)

	e, err := events.Decode(body)
	switch {
	case errors.Is(err, events.ErrUnknownType):
		return // a type that a newer version has added
	case err != nil:
		fmt.Println(err)
		return
	}
	switch e := e.(type) {
	case events.ServerRegistered:
		fmt.Println("new:", e.Server.Key(), "at", e.Server.Addr)
	case events.ServerExpired:
		fmt.Println("gone:", e.Server.Key(), "at", e.Server.Addr, "by", e.Cause)
	}
	// Output: gone: data/9f0c2c5e at 10.0.0.7:8080 by ttl
}

func ExampleDecodeHeartbeat() {
	for _, body := range []string{
		`{"v":1,"service":"data","id":"9f0c2c5e","addr":"10.0.0.7:8080","weight":50}`,
		"10.0.0.8:8080",
		`{"v":1,"service":"../x","addr":"10.0.0.9:8080"}`,
	} {
		h, err := events.DecodeHeartbeat([]byte(body))
		if err == nil {
			err = h.Validate()
		}
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(h.Service, h.ID, h.Addr, h.Weight)
	}
	// Output:
	// data 9f0c2c5e 10.0.0.7:8080 50
	// data 10.0.0.8:8080 10.0.0.8:8080 100
	// service: service "../x", want a DNS label in lower case
}
