package apiserver

import "fmt"

// lossLimit is the loss of an nsqd above which the detail of the status tells of it.
const lossLimit = 0.01

// lossDetail says which nsqd lose messages; empty if none does.
func lossDetail(nodes []Node) (detail string) {
	for _, n := range nodes {
		if n.Loss > lossLimit {
			detail += fmt.Sprintf("; nsqd %s lost %.1f %% of the canaries of the last 5 min, and heartbeats likewise: is its --mem-queue-size too small?", n.Address, 100*n.Loss)
		}
	}
	return detail
}
