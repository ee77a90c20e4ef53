package demo_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"rollcall/integration/fixture"
	"rollcall/services/apiserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, fixture.LeakOptions()...) }

func mustClient(t testing.TB, addr string) *apiserver.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	c, err := apiserver.NewClient(addr, &http.Client{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
