package registry

import (
	"iter"

	"rollcall/events"
)

// Changes yields the services that differ between two memberships of one registry: the Service in before and the Service in m. One of them
// is nil if it has no servers. The parameter before may be nil. The cost is proportional to the number of services.
func (m *Membership) Changes(before *Membership) iter.Seq2[*Service, *Service] {
	var old []*Service
	if before != nil {
		old = before.Services
	}
	return func(yield func(was, is *Service) bool) {
		old, now := old, m.Services
		for len(old) > 0 || len(now) > 0 {
			var was, is *Service
			if len(now) == 0 || len(old) > 0 && old[0].Name <= now[0].Name {
				was = old[0]
			}
			if len(old) == 0 || len(now) > 0 && now[0].Name <= old[0].Name {
				is = now[0]
			}
			if was != nil {
				old = old[1:]
			}
			if is != nil {
				now = now[1:]
			}
			if was != is && !yield(was, is) {
				return
			}
		}
	}
}

// Changes yields the servers that differ between two states of one service: the server in before and the server in s. One of them is nil if
// the server was registered or removed. s and before may be nil. The cost is proportional to the number of blocks and to the size of
// the blocks that have changed.
func (s *Service) Changes(before *Service) iter.Seq2[*events.Server, *events.Server] {
	return func(yield func(was, is *events.Server) bool) {
		old, now := cursorOf(before), cursorOf(s)
		for {
			if old.skip(&now) {
				continue
			}
			was, is := old.server(), now.server()
			switch {
			case was == nil && is == nil:
				return
			case is == nil || was != nil && was.ID < is.ID:
				is = nil
			case was == nil || is.ID < was.ID:
				was = nil
			}
			if was != nil {
				old.next()
			}
			if is != nil {
				now.next()
			}
			if was != is && !yield(was, is) {
				return
			}
		}
	}
}

// cursor is a position in the servers of a service.
type cursor struct {
	blocks []*Block // the current block and the blocks after it
	i      int      // index of the server in the current block
}

func cursorOf(s *Service) cursor {
	if s == nil {
		return cursor{}
	}
	return cursor{blocks: s.Blocks}
}

// The method skip moves both cursors to the next block and returns true if both are at the start of the same block.
func (c *cursor) skip(d *cursor) bool {
	if c.i != 0 || d.i != 0 || len(c.blocks) == 0 || len(d.blocks) == 0 || c.blocks[0] != d.blocks[0] {
		return false
	}
	c.blocks, d.blocks = c.blocks[1:], d.blocks[1:]
	return true
}

// server returns the server at the position, or nil after the last server.
func (c *cursor) server() *events.Server {
	if len(c.blocks) == 0 {
		return nil
	}
	return c.blocks[0].Servers[c.i]
}

func (c *cursor) next() {
	if c.i++; c.i == len(c.blocks[0].Servers) {
		c.blocks, c.i = c.blocks[1:], 0
	}
}
