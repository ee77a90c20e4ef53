package snapshot_test

import (
	"fmt"
	"testing"

	"rollcall/services/snapshot"
)

func BenchmarkWrite(b *testing.B) {
	for _, servers := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			path, saved := newPath(b), snapshotOf(servers)
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(mustWrite(b, path, saved))
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, servers := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			path := newPath(b)
			b.SetBytes(mustWrite(b, path, snapshotOf(servers)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := snapshot.Read(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
