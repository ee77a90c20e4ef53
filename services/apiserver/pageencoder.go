package apiserver

import (
	"context"
	"strconv"
	"sync"
	"time"

	"rollcall/events"
	"rollcall/services/registry"
)

const (
	serverSize = 512  // usual size of a server in JSON, in bytes
	batchSize  = 1024 // number of servers from which a batch is encoded
)

// pageEncoder encodes a page of servers in batches: it reads the vitals of a batch from the registry, takes a turn, and encodes the batch.
type pageEncoder struct {
	page     page
	registry Registry
	turns    turns
	now      time.Time
	text     *text
	server   *serverEncoder
	texts    *blockTexts // nil if the page does not have all members of the servers

	*batch
	current events.Server  // the server that appendServer appends; a local variable would be an allocation for each server
	count   int            // number of servers that the page has so far
	last    *events.Server // last server that the page has so far
	cut     bool           // the limit of the page cuts off servers
}

// batch is a part of a page for which the vitals are read together. Its memory is used again.
type batch struct {
	blocks []*registry.Block
	first  []int             // for each of blocks: the index of the first server that can be one of the page
	picked []int             // for each of blocks: how many servers of the block and of the blocks before it the page selects
	size   int               // number of servers in blocks
	at     []int             // for each server that the page selects: its index in its block
	vitals []registry.Vitals // for each server of blocks
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// encodeServers appends a ServerList to t, with the vitals at the time now.
func (s *Server) encodeServers(ctx context.Context, t *text, p page, index uint64, now time.Time) error {
	e := &pageEncoder{page: p, registry: s.cfg.Registry, turns: s.lists.encoding, now: now, text: t}
	if len(p.fields) > 0 {
		e.server = newServerEncoder(p.fields)
	} else {
		e.server, e.texts = s.texts.server, s.texts
		e.texts.use()
	}
	e.batch = batches.Get().(*batch)
	e.clear()
	t.set(appendListHead(t.last(), p.members, index, now))
	for block, first := range p.blocks() {
		e.blocks, e.first, e.size = append(e.blocks, block), append(e.first, first), e.size+len(block.Servers)
		if e.size < batchSize {
			continue
		}
		if err := e.flush(ctx); err != nil {
			return err
		}
		if e.cut {
			break
		}
	}
	if err := e.flush(ctx); err != nil {
		return err
	}
	t.entries = e.count
	end := append(t.last(), ']')
	if e.cut {
		end = appendString(append(end, `,"next":`...), e.last.Key())
	}
	t.set(append(end, "}\n"...))
	batches.Put(e.batch) // not after an error, because the registry may still write to it
	return nil
}

// appendListHead appends a ServerList up to its first server.
func appendListHead(b []byte, members *registry.Membership, index uint64, now time.Time) []byte {
	b = strconv.AppendUint(append(b, `{"revision":`...), members.Revision, 10)
	b = strconv.AppendUint(append(b, `,"index":`...), index, 10)
	b = appendString(append(b, `,"mode":`...), string(members.Mode))
	b = strconv.AppendBool(append(b, `,"complete":`...), members.Complete)
	b = appendTime(append(b, `,"time":`...), now.UTC().Truncate(time.Millisecond))
	return append(b, `,"servers":[`...)
}

// flush encodes the batch.
func (e *pageEncoder) flush(ctx context.Context) (err error) {
	if err := e.turns.do(ctx, e.pick); err != nil || len(e.at) == 0 {
		e.clear()
		return err
	}
	if e.server.vital {
		if e.vitals, err = e.registry.Vitals(ctx, e.blocks, e.now, e.vitals[:0]); err != nil {
			return err
		}
	}
	err = e.turns.do(ctx, e.encode)
	e.clear()
	return err
}

func (b *batch) clear() {
	b.blocks, b.first, b.picked, b.size, b.at = b.blocks[:0], b.first[:0], b.picked[:0], 0, b.at[:0]
}

// pick selects the servers of the batch, and drops the blocks that have none. It sets e.cut if the limit of the page cuts off servers.
func (e *pageEncoder) pick() {
	kept := e.blocks[:0]
	for i, block := range e.blocks {
		before := len(e.at)
		e.pickFrom(block, e.first[i])
		if len(e.at) > before {
			kept, e.picked = append(kept, block), append(e.picked, len(e.at))
		}
	}
	e.blocks = kept
}

func (e *pageEncoder) pickFrom(block *registry.Block, first int) {
	for i := first; i < len(block.Servers) && !e.cut; i++ {
		srv := block.Servers[i]
		if !e.page.query.Matches(srv) {
			continue
		}
		if e.cut = e.page.limit > 0 && e.count == e.page.limit; !e.cut {
			e.at, e.last = append(e.at, i), srv
			e.count++
		}
	}
}

// encode appends the servers of the batch.
func (e *pageEncoder) encode() {
	comma := e.count > len(e.at) // these are not the first servers of the page
	n, vitals := 0, e.vitals
	for i, block := range e.blocks {
		var text *blockText
		if e.texts != nil {
			text = e.texts.of(block)
		}
		for ; n < e.picked[i]; n++ {
			b := e.text.last()
			if comma {
				b = append(b, ',')
			}
			comma = true
			e.text.set(e.appendServer(b, block, text, e.at[n], vitals))
		}
		if e.server.vital {
			vitals = vitals[len(block.Servers):]
		}
	}
}

// appendServer appends the server with the index at of a block.
func (e *pageEncoder) appendServer(b []byte, block *registry.Block, text *blockText, at int, vitals []registry.Vitals) []byte {
	if text != nil {
		vitals[at].Apply(&e.current)
		return e.server.appendVitals(b, text, at, &e.current)
	}
	e.current = *block.Servers[at]
	if e.server.vital {
		vitals[at].Apply(&e.current)
	}
	return e.server.append(b, &e.current)
}
