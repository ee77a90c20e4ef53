package nsqpubsub

import "errors"

var (
	ErrClosed   = errors.New("nsqpubsub: closed")
	ErrNoNSQD   = errors.New("nsqpubsub: no nsqd known")
	ErrEmpty    = errors.New("nsqpubsub: empty body")
	ErrTooLarge = errors.New("nsqpubsub: body too large")
	ErrTopic    = errors.New("nsqpubsub: invalid topic name")
	ErrTimeout  = errors.New("nsqpubsub: no answer from nsqd in time")
)
