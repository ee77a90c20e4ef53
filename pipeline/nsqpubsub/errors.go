package nsqpubsub

import (
	"errors"
	"fmt"
	"strings"
)

var (
	ErrClosed   = errors.New("nsqpubsub: closed")
	ErrNoNSQD   = errors.New("nsqpubsub: no nsqd known")
	ErrEmpty    = errors.New("nsqpubsub: empty body")
	ErrTooLarge = errors.New("nsqpubsub: body too large")
	ErrTopic    = errors.New("nsqpubsub: invalid topic name")
	ErrTimeout  = errors.New("nsqpubsub: no answer from nsqd in time")

	// ErrRefused says that nsqd refuses a message for good: for its size or for the name of its topic.
	ErrRefused = errors.New("nsqpubsub: refused by nsqd")

	// ErrNoTLS says that TLS is configured and that nsqd does not offer it. Nothing but IDENTIFY was sent to that nsqd.
	ErrNoTLS = errors.New("nsqpubsub: nsqd does not offer TLS")
)

// Refused reports whether an nsqd, or the Producer before it, refuses a message for good, so that it is of no use to publish
// it again. With several nsqd it is true as well if one refuses the message and the others cannot be reached.
func Refused(err error) bool {
	for _, target := range []error{ErrRefused, ErrEmpty, ErrTooLarge, ErrTopic} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// answerError is the error that nsqd answered a command with.
func answerError(answer string) error {
	if refusesMessage(answer) {
		return fmt.Errorf("%w: %s", ErrRefused, answer)
	}
	return errors.New(answer)
}

// refusesMessage tells the refusals of a message from those of the moment, such as E_PUB_FAILED. E_BAD_MESSAGE is also the
// answer to a message of which nsqd did not receive the whole.
func refusesMessage(answer string) bool {
	switch code, what, _ := strings.Cut(answer, " "); code {
	case "E_BAD_TOPIC":
		return true
	case "E_BAD_MESSAGE":
		return !strings.Contains(what, "failed to read")
	}
	return false
}
