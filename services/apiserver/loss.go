package apiserver

import "fmt"

// lossLimit is the loss ratio above which the detail of the status names an nsqd.
const lossLimit = 0.01

// lossDetail describes each nsqd whose loss ratio is above lossLimit. It returns "" if there is no such nsqd.
func lossDetail(nodes []Node) (detail string) {
	for _, n := range nodes {
		if n.Loss > lossLimit {
			detail += fmt.Sprintf("; nsqd %s lost %.1f %% of the canaries of the last 5 min, and probably as many heartbeats: is its --mem-queue-size too small?", n.Address, 100*n.Loss)
		}
	}
	return detail
}
