package nsqpubsub

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of Publisher, Producer, Subscriber and Consumer.
var (
	ErrClosed   = errors.New("nsqpubsub: closed")
	ErrNoNSQD   = errors.New("nsqpubsub: no nsqd known")
	ErrEmpty    = errors.New("nsqpubsub: empty body")
	ErrTooLarge = errors.New("nsqpubsub: body too large")
	ErrTopic    = errors.New("nsqpubsub: invalid topic name")
	ErrTimeout  = errors.New("nsqpubsub: no response from nsqd in time")

	// ErrUnpublishable means that nsqd has rejected messages that it will never accept: one of them is too large, they are too large
	// together, or the topic name is invalid.
	ErrUnpublishable = errors.New("nsqpubsub: rejected by nsqd")

	// ErrUnauthorized means that nsqd requires a secret, and that none is configured, that it is wrong, or that it does not allow the topic
	// or channel.
	ErrUnauthorized = errors.New("nsqpubsub: not authorized")

	// ErrNoTLS is returned if TLS is configured and nsqd does not offer TLS. Only the command IDENTIFY was sent to that nsqd.
	ErrNoTLS = errors.New("nsqpubsub: nsqd does not offer TLS")
)

// Unpublishable reports whether err means that the message can never be published, so that retrying is useless: the Producer or an nsqd
// rejected the message. It is also true if one of several nsqd rejected the message and the others could not be reached.
func Unpublishable(err error) bool {
	for _, target := range []error{ErrUnpublishable, ErrEmpty, ErrTooLarge, ErrTopic} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// responseError returns the error for an error response of nsqd.
func responseError(response string) error {
	if isUnpublishable(response) {
		return fmt.Errorf("%w: %s", ErrUnpublishable, response)
	}
	if strings.HasPrefix(response, "E_AUTH") || strings.HasPrefix(response, "E_UNAUTHORIZED") {
		return fmt.Errorf("%w: %s", ErrUnauthorized, response)
	}
	return errors.New(response)
}

// isUnpublishable reports whether an error response means that nsqd will never accept the message. It returns false for temporary
// errors such as E_PUB_FAILED, and for E_BAD_MESSAGE with the text "failed to read": nsqd then received only a part of the message.
func isUnpublishable(response string) bool {
	switch code, what, _ := strings.Cut(response, " "); code {
	case "E_BAD_TOPIC":
		return true
	case "E_BAD_BODY": // in response to MPUB: the messages together are too large
		return strings.Contains(what, "MPUB body too big")
	case "E_BAD_MESSAGE":
		return !strings.Contains(what, "failed to read")
	}
	return false
}
