package check_test

import (
	"errors"
	"fmt"
	"testing"

	"rollcall/services/check"
)

func Example() {
	f := check.Of("proxy")
	f.That(11 <= 10, "retry.attempts", "%d: want at most %d", 11, 10)
	f.That(true, "drain", "is never wrong")
	f.Add(nil, errors.New("balancer: weight"))
	fmt.Println(f.Err())
	// Output:
	// proxy: retry.attempts 11: want at most 10
	// balancer: weight
}

func TestNoErrorWithoutInvalidField(t *testing.T) {
	f := check.Of("proxy")
	f.Add(nil)
	if err := f.Err(); err != nil {
		t.Error(err)
	}
}
