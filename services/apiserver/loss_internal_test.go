package apiserver

import (
	"strings"
	"testing"
)

func TestDetailNamesNSQDWithLoss(t *testing.T) {
	nodes := []Node{{Address: "a:4150"}, {Address: "b:4150", Loss: 0.01}, {Address: "c:4150", Loss: 0.05}, {Address: "d:4150", Loss: 1}}
	got := lossDetail(nodes)
	for addr, want := range map[string]bool{"a:4150": false, "b:4150": false, "c:4150 lost 5.0 %": true, "d:4150 lost 100.0 %": true} {
		if strings.Contains(got, addr) != want {
			t.Errorf("%q names %s: %v, want %v", got, addr, !want, want)
		}
	}
}
