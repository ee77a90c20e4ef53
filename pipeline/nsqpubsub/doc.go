// Package nsqpubsub carries Watermill messages over NSQ.
//
//	Publisher ---- Marshaler ---> Producer -- one connection per nsqd, a random one per message --> nsqd
//	Subscriber <- Unmarshaler <-- Consumer <- one connection per nsqd, each supervised on its own <- nsqd
//
// Producer and Consumer do not depend on Watermill's messages and can be used alone. The configuration of each of the four types
// contains Cluster, which has the addresses of nsqd, of nsqlookupd, or both.
//
// As in NSQ, delivery is at least once and unordered. An nsqd that hangs or is gone does not delay the other nsqd.
package nsqpubsub
