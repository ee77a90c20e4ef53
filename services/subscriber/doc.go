// Package subscriber delivers lifecycle events to a Go program: which servers registered, changed, expired or left.
//
//	sub, err := subscriber.New(subscriber.Config{
//		NSQ: nsqpubsub.Cluster{Lookupd: []string{"127.0.0.1:4161"}},
//	})
//	...
//	err = sub.Run(ctx, func(ctx context.Context, e events.Event) error {
//		switch e := e.(type) {
//		case events.ServerExpired:
//			fmt.Println(e.Server.Addr, "expired:", e.Cause)
//		}
//		return nil
//	})
//
// An event takes this path:
//
//	NSQ server_events --> decode ----> gaps ----> dedupe ----> handler --nil----> the event id is remembered
//	                        |            |          |             \------error--> NSQ delivers the event again
//	                    OnSkipped      OnGap     duplicates
//	                                             end here
//
// The goroutine that called Run calls the handler, OnGap and OnSkipped, one at a time and in the order of arrival. NSQ
// guarantees no order. The events of one observer are ordered by e.Details().Revision. Events of several observers about
// one server are ordered by the server's Incarnation and Seq.
//
// Delivery is at least once. If several API servers emit the same event, or NSQ delivers an event twice, the handler gets the
// event once, as long as its id is remembered (Config.Memory). Two cases remain in which the handler gets an event
// twice: the API servers received different last heartbeats and so gave the event different ids, or several
// processes share a channel, each of which remembers only the events that it received. Handlers should be idempotent.
//
// Events report changes. A program that needs the complete list of servers requests it from an API server
// (GET /v1/servers) after it has subscribed, and again after each Gap. Gaps occur because an API server drops events that it
// cannot publish for long, and because the default channel loses events while it is disconnected (Config.Channel).
//
// README.md in this folder is for users.
package subscriber
