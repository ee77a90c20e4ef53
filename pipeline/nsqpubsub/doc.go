// Package nsqpubsub carries Watermill messages over NSQ.
//
//	Publisher ---- Marshaler ---> Producer -- one connection per nsqd, a random one per message --> nsqd
//	Subscriber <- Unmarshaler <-- Consumer <- one connection per nsqd, each supervised on its own <- nsqd
//
// Producer and Consumer know nothing of Watermill's messages and can be used alone. All four share
// Cluster, which says where nsqd is: a static list, nsqlookupd, or both.
//
// Delivery is at least once and in no order, as NSQ's is. No nsqd, hung or gone, holds up another.
package nsqpubsub
