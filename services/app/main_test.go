package app_test

import (
	"testing"

	"go.uber.org/goleak"

	"rollcall/integration/fixture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, fixture.LeakOptions()...) }
