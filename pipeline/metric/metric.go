// Package metric registers the metrics of components.
package metric

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Register registers the collectors with the parameter to, or does nothing if that is nil. The error begins with the name of the component.
func Register(to prometheus.Registerer, component string, collectors ...prometheus.Collector) error {
	if to == nil {
		return nil
	}
	for _, c := range collectors {
		if err := to.Register(c); err != nil {
			return fmt.Errorf("%s: register metrics: %w", component, err)
		}
	}
	return nil
}
