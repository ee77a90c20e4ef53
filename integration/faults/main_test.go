package faults

import (
	"testing"

	"rollcall/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m, nil) }
