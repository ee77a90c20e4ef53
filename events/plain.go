package events

// plain is a fast parser for the JSON that most senders write: one object with known names in any order and without
// duplicates, with strings of printable ASCII without escapes, and with short integers. For any other text plain only reports
// that the text is not plain; decodeStrict then parses the text and describes its errors. Any text that plain accepts,
// decodeStrict accepts with the same result (FuzzPlainMatchesDecodeStrict). plain exists because it takes a fraction of the
// time of decodeStrict (BenchmarkDecodeHeartbeat), and decoding is most of the cost of a heartbeat apart from the cost of NSQ
// (BenchmarkConsumerCPU).
type plain struct {
	text string
	pos  int
}

// heartbeat parses the whole text into h. It reports false, and leaves h in an undefined state, if the text is not plain.
func (p *plain) heartbeat(h *Heartbeat) bool {
	var seen uint32
	return p.object(func(name string) bool {
		field, ok := p.field(h, name)
		twice := seen&field != 0
		seen |= field
		return ok && !twice
	}) && p.end()
}

// field parses the value of the field with this name into h. It returns a bit that stands for the name, so that heartbeat can
// detect duplicate names.
func (p *plain) field(h *Heartbeat, name string) (bit uint32, ok bool) {
	switch name {
	case "v":
		var v int64
		ok = p.integer(&v)
		h.V = int(v)
		return 1 << 0, ok
	case "type":
		return 1 << 1, p.string((*string)(&h.Type))
	case "service":
		return 1 << 2, p.string(&h.Service)
	case "id":
		return 1 << 3, p.string(&h.ID)
	case "addr":
		return 1 << 4, p.string(&h.Addr)
	case "incarnation":
		return 1 << 5, p.integer(&h.Incarnation)
	case "seq":
		var seq int64
		ok = p.integer(&seq)
		h.Seq = uint64(seq)
		return 1 << 6, ok
	case "interval_ms":
		return 1 << 7, p.integer(&h.IntervalMS)
	case "ttl_ms":
		return 1 << 8, p.integer(&h.TTLMS)
	case "weight":
		var weight int64
		ok = p.integer(&weight)
		h.Weight = int(weight)
		return 1 << 9, ok
	case "zone":
		return 1 << 10, p.string(&h.Zone)
	case "version":
		return 1 << 11, p.string(&h.Version)
	case "tags":
		return 1 << 12, p.tags(&h.Tags)
	case "meta":
		return 1 << 13, p.meta(&h.Meta)
	case "load":
		return 1 << 14, p.load(&h.Load)
	case "sent_at":
		var s string
		return 1 << 15, p.string(&s) && parseTime(s, &h.SentAt)
	}
	return 0, false
}

func (p *plain) tags(to *[]string) bool {
	if !p.next('[') {
		return false
	}
	for first := true; !p.next(']'); first = false {
		var tag string
		if !first && !p.next(',') || !p.string(&tag) {
			return false
		}
		*to = append(*to, tag)
	}
	return true
}

func (p *plain) meta(to *Meta) bool {
	ok := p.object(func(key string) bool {
		e := MetaEntry{Key: key}
		ok := p.string(&e.Value)
		*to = append(*to, e)
		return ok
	})
	to.sort()
	for i := 1; i < len(*to); i++ {
		ok = ok && (*to)[i].Key != (*to)[i-1].Key
	}
	return ok
}

func (p *plain) load(to **Load) bool {
	return p.object(func(name string) bool {
		if name != "in_flight" || *to != nil {
			return false
		}
		*to = new(Load)
		return p.integer(&(*to).InFlight)
	}) && *to != nil // an empty object is left to decodeStrict
}

// object parses an object. It calls field for each name, and field must parse the value of that name.
func (p *plain) object(field func(name string) bool) bool {
	if !p.next('{') {
		return false
	}
	for first := true; !p.next('}'); first = false {
		var name string
		if !first && !p.next(',') || !p.string(&name) || !p.next(':') || !field(name) {
			return false
		}
	}
	return true
}

func (p *plain) string(to *string) bool {
	if !p.next('"') {
		return false
	}
	for end := p.pos; end < len(p.text); end++ {
		switch c := p.text[end]; {
		case c == '"':
			*to = p.text[p.pos:end]
			p.pos = end + 1
			return true
		case c == '\\' || c < ' ' || c >= 0x7f:
			return false
		}
	}
	return false
}

// integer parses an unsigned integer of at most 18 digits, which cannot overflow.
func (p *plain) integer(to *int64) bool {
	p.space()
	start, n := p.pos, int64(0)
	for p.pos < len(p.text) && p.text[p.pos]-'0' <= 9 {
		n = n*10 + int64(p.text[p.pos]-'0')
		p.pos++
	}
	digits := p.text[start:p.pos]
	*to = n
	return len(digits) == 1 || len(digits) > 1 && len(digits) <= 18 && digits[0] != '0'
}

// next skips white space. If the character after the white space is c, next also skips that character and reports true.
func (p *plain) next(c byte) bool {
	p.space()
	if p.pos == len(p.text) || p.text[p.pos] != c {
		return false
	}
	p.pos++
	return true
}

func (p *plain) end() bool {
	p.space()
	return p.pos == len(p.text)
}

func (p *plain) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}
