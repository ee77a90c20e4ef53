package integration

import "testing"

func TestMain(m *testing.M) {
	runMain(m, map[string]func() int{
		"stock": func() int { return serve(startChildStock) },
		"slow":  func() int { return serve(startChildSlow) },
		"stack": func() int { return serve(startChildStack) },
	})
}
