package silence

import (
	"errors"
	"fmt"
	"strings"

	"rollcall/pipeline/nsqpubsub"
)

// maxReasons is the largest number of brokers that a reason lists.
const maxReasons = 3

// brokers is the state of the brokers while no message arrives.
type brokers struct {
	topic, channel string
	lookups        []nsqpubsub.LookupState
	nodes          []nsqpubsub.ConsumerNode
	paused         []nsqpubsub.Pause
}

func (b brokers) reason() string {
	var disconnected []string
	for _, n := range b.nodes {
		if !n.Connected {
			disconnected = append(disconnected, fmt.Sprintf("nsqd %s: %s", n.Address, connectError(n.Err)))
		}
	}
	switch connected := len(b.nodes) - len(disconnected); {
	case len(b.nodes) == 0 && len(b.lookups) == 0:
		return "no nsqd is known yet"
	case len(b.nodes) == 0:
		return "no nsqd is known (" + list(b.lookups) + ")"
	case connected == 0:
		return "no nsqd is connected (" + list(disconnected) + ")"
	case len(b.paused) > 0:
		return list(b.paused)
	case len(disconnected) > 0:
		return fmt.Sprintf("%d nsqd are connected and deliver nothing; not connected: %s", connected, list(disconnected))
	}
	return fmt.Sprintf("every nsqd is connected and delivers nothing; topic %s or channel %s may be paused", b.topic, b.channel)
}

func connectError(err error) string {
	if err == nil {
		return "not connected yet"
	}
	if errors.Is(err, nsqpubsub.ErrUnauthorized) {
		return fmt.Sprintf("not authorized, check nsq.auth (%v)", err)
	}
	return err.Error()
}

// list joins the first maxReasons items and states the number of the other items.
func list[T any](items []T) string {
	var b strings.Builder
	for i, item := range items {
		if i == maxReasons {
			fmt.Fprintf(&b, "; and %d more", len(items)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprint(&b, item)
	}
	return b.String()
}
