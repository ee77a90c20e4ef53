package apiserver

import (
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/events"
	"rollcall/integration/fixture"
	"rollcall/services/registry"
)

func block(servers int) *registry.Block {
	b := new(registry.Block)
	for i := range servers {
		b.Servers = append(b.Servers, &events.Server{Service: "data", ID: strconv.Itoa(i)})
	}
	return b
}

func (t *blockTexts) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, text := range t.texts {
		if text != nil {
			n++
		}
	}
	return n
}

func TestTextOfABlockIsEncodedOnce(t *testing.T) {
	texts := &blockTexts{server: newServerEncoder(nil)}
	a, b, small := block(blockTextFrom), block(blockTextFrom), block(blockTextFrom-1)
	if first := texts.of(a); first == nil || texts.of(a) != first || texts.of(b) == first {
		t.Error("the text of a block is not kept")
	}
	if texts.of(small) != nil || texts.len() != 2 {
		t.Errorf("%d texts are kept, want none for the small block", texts.len())
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

func TestTextEndsWithItsBlock(t *testing.T) {
	texts := &blockTexts{server: newServerEncoder(nil)}
	kept := block(blockTextFrom)
	texts.of(kept)
	for range 10 {
		texts.of(block(blockTextFrom))
	}
	fixture.Eventually(t, 10*time.Second, "the texts of the blocks that ended are gone", func() bool {
		runtime.GC()
		return texts.len() == 1
	})
	runtime.KeepAlive(kept)
}

func cleanups() uint64 {
	executed := []metrics.Sample{{Name: "/gc/cleanups/executed:cleanups"}}
	metrics.Read(executed)
	return executed[0].Value.Uint64()
}

// A block that stays in memory costs no more each time its text is released and encoded again.
func TestBlockHasOneCleanup(t *testing.T) {
	const blocks, releases = 3, 100
	texts := &blockTexts{server: newServerEncoder(nil)}
	before := cleanups()
	for range blocks {
		b := block(blockTextFrom)
		for range releases {
			texts.of(b)
			texts.release()
		}
	}
	fixture.Eventually(t, 10*time.Second, "the cleanups of the blocks have run", func() bool {
		runtime.GC()
		texts.mu.Lock()
		defer texts.mu.Unlock()
		return len(texts.texts) == 0
	})
	if got := cleanups() - before; got > releases {
		t.Errorf("%d cleanups for %d blocks", got, blocks)
	}
}

func TestTextsAreReleasedAfterAMinuteWithoutLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		texts := &blockTexts{server: newServerEncoder(nil)}
		b := block(blockTextFrom)
		list := func() { texts.use(); texts.of(b) }
		list()
		time.Sleep(50 * time.Second)
		list()
		time.Sleep(50 * time.Second)
		if texts.len() != 1 {
			t.Error("the text is gone although a list used it")
		}
		time.Sleep(11 * time.Second)
		if texts.len() != 0 {
			t.Error("the text is kept although no list has used it for a minute")
		}
		if list(); texts.len() != 1 {
			t.Error("the text is not kept again")
		}
	})
}
