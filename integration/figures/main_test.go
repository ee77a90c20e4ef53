package figures

import (
	"testing"

	"rollcall/integration/harness"
)

func TestMain(m *testing.M) {
	harness.Main(m, harness.Children{
		"stock": harness.Child(startChildStock),
		"alone": harness.Child(startChildAlone),
		"pacer": harness.Child(startChildPacer),
	})
}
