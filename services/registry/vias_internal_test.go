package registry

import (
	"fmt"
	"testing"
)

func TestVias(t *testing.T) {
	v := newVias()
	if n := v.number(""); n != unknownVia {
		t.Errorf("the empty address has the number %d", n)
	}
	const last = 1<<16 - 1
	for range 2 {
		for i := 1; i <= last; i++ {
			if n := v.number(fmt.Sprint(i)); int(n) != i || v.addr(n) != fmt.Sprint(i) {
				t.Fatalf("address %d has the number %d, which stands for %q", i, n, v.addr(n))
			}
		}
	}
	if n := v.number("one too many"); n != unknownVia || v.addr(n) != "" {
		t.Errorf("an address too many has the number %d, which stands for %q", n, v.addr(n))
	}
}
