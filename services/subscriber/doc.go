// Package subscriber delivers lifecycle events to a Go program: which servers came, changed and went.
//
//	sub, err := subscriber.New(subscriber.Config{
//		NSQ: nsqpubsub.Cluster{Lookupd: []string{"127.0.0.1:4161"}},
//	})
//	...
//	err = sub.Run(ctx, func(ctx context.Context, e events.Event) error {
//		switch e := e.(type) {
//		case events.ServerExpired:
//			fmt.Println(e.Server.Addr, "is gone:", e.Cause)
//		}
//		return nil
//	})
//
// The way of an event:
//
//	NSQ server_events --> decode ----> gaps ----> fold ----> handler --nil--> remembered, never again
//	                        |            |          |           \----error--> NSQ delivers it again
//	                    OnSkipped      OnGap     duplicate:
//	                                             no further
//
// The handler, OnGap and OnSkipped are called by the goroutine that called Run, one at a time, in the order of
// arrival. NSQ gives no order: e.Details().Revision orders the events of one observer, and (Incarnation,
// Seq) of the server what several observers say of it.
//
// Delivery is at least once. An event that several API servers tell, or NSQ delivers twice, is handled once
// as long as its id is remembered (Config.Memory). It has a different id if the API servers did not hear the same
// last heartbeat, and processes on a shared channel fold only what reaches each of them. So a handler should
// bear to be called twice.
//
// Events tell of changes. A program that wants the whole roll asks an API server for it (GET /v1/servers) when
// it has subscribed, and again at each Gap: the API server drops events that it could not publish for long, and a
// channel of one's own has losses too (Config.Channel).
package subscriber
