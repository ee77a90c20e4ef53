package apiserver

import (
	"runtime"
	"sync"
	"time"
	"weak"

	"rollcall/events"
	"rollcall/services/registry"
)

// blockText has the members of the servers of a block that are not vital, in JSON. It is encoded once, when the block changes.
type blockText struct {
	text []byte
	ends []uint32 // for each server and each run that is not vital: its end in text
}

func (e *serverEncoder) newBlockText(b *registry.Block) *blockText {
	t := &blockText{make([]byte, 0, len(b.Servers)*serverSize), make([]uint32, 0, len(b.Servers)*e.stable)}
	for _, s := range b.Servers {
		for i := range e.runs {
			if r := &e.runs[i]; !r.vital {
				t.text = r.append(t.text, s)
				t.ends = append(t.ends, uint32(len(t.text)))
			}
		}
	}
	t.text = append(make([]byte, 0, len(t.text)), t.text...)
	return t
}

// appendVitals appends the server with the index i of a block. It takes the vitals from s, and all other members from the text of the block.
func (e *serverEncoder) appendVitals(b []byte, t *blockText, i int, s *events.Server) []byte {
	begin, n := len(b), i*e.stable
	for i := range e.runs {
		r := &e.runs[i]
		if r.vital {
			b = r.append(b, s)
			continue
		}
		from := uint32(0)
		if n > 0 {
			from = t.ends[n-1]
		}
		b = append(b, t.text[from:t.ends[n]]...)
		n++
	}
	return closeObject(b, begin)
}

const (
	blockTextFrom = 8           // servers of a block from which its text is kept
	blockTextIdle = time.Minute // the texts are released when they were not used for this time
)

// blockTexts keeps the text of each block that is in memory, until no list has used a text for a minute.
type blockTexts struct {
	server *serverEncoder

	mu    sync.Mutex
	texts map[weak.Pointer[registry.Block]]*blockText // nil after release; a block that is in memory keeps its key, because it has a cleanup
	idle  *time.Timer
}

// of returns the text of b, or nil if the text is not worth keeping. It can be called concurrently.
func (t *blockTexts) of(b *registry.Block) *blockText {
	if len(b.Servers) < blockTextFrom {
		return nil
	}
	key := weak.Make(b)
	t.mu.Lock()
	kept := t.texts[key]
	t.mu.Unlock()
	if kept != nil {
		return kept
	}
	made := t.server.newBlockText(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.texts == nil {
		t.texts = make(map[weak.Pointer[registry.Block]]*blockText)
	}
	if _, known := t.texts[key]; !known {
		runtime.AddCleanup(b, t.drop, key)
	}
	t.texts[key] = made
	return made
}

func (t *blockTexts) drop(key weak.Pointer[registry.Block]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.texts, key)
}

// use says that a list is about to use the texts.
func (t *blockTexts) use() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle == nil {
		t.idle = time.AfterFunc(blockTextIdle, t.release)
	} else {
		t.idle.Reset(blockTextIdle)
	}
}

func (t *blockTexts) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.texts {
		t.texts[key] = nil
	}
}
