// Package nsqpubsub carries Watermill messages over NSQ.
//
//	Publisher ---- Marshaler ---> Producer -- one connection per nsqd, a random one per message --> nsqd
//	Subscriber <- Unmarshaler <-- Consumer <- one connection per nsqd, each supervised on its own <- nsqd
//
// Producer and Consumer do not depend on Watermill's messages and can be used alone. The configuration of each of the four types
// contains Cluster, which has the addresses of nsqd, of nsqlookupd, or both.
//
// As in NSQ, delivery is at least once and unordered. An nsqd that hangs or is gone does not delay the other nsqd.
//
// The connections are this package's own, made of go-nsq's protocol primitives: see conn. A Consumer has two goroutines for each
// connection, one that reads and one that writes, and MaxInFlight/Batch goroutines that handle messages:
//
//	nsqd ---> session.read ---> queue of batches ---> Consumer.handle ---> the handler
//	nsqd <--- session.run <---- FIN, REQ <----------- session.answer <---- its result
//
// The goroutine that reads passes on together what has arrived together. The goroutine that writes sends all FIN and REQ that are there,
// by one system call. So a FIN costs both processes a fraction of a system call, and waits for nothing but other messages of its batch.
package nsqpubsub
