package stack

import (
	"testing"

	"rollcall/integration/harness"
)

func TestMain(m *testing.M) {
	harness.Main(m, harness.Children{"stack": harness.Child(startChildStack)})
}
