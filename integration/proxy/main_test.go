package proxy

import (
	"testing"

	"rollcall/integration/harness"
)

func TestMain(m *testing.M) {
	harness.Main(m, harness.Children{"slow": harness.Child(startChildSlow)})
}
