package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// rawPath returns the path as the client sent it. Decoding and encoding the path would break signatures and encoded slashes. If r has no
// RequestURI, because net/http did not receive r, rawPath returns the escaped path of the URL.
func rawPath(r *http.Request) string {
	target, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(target, "/") {
		return target
	}
	scheme := r.URL.Scheme
	if scheme == "" || len(target) <= len(scheme) || target[len(scheme)] != ':' {
		return r.URL.EscapedPath()
	}
	target = target[len(scheme)+1:] // absolute form
	if authority, ok := strings.CutPrefix(target, "//"); ok {
		return pathOf(authority)
	}
	if strings.HasPrefix(target, "/") {
		return target
	}
	return r.URL.EscapedPath()
}

// scanPath reports whether a raw path is valid, and whether servers could read it in several ways (unplain). Spaces and control characters
// are invalid because they end the path or the request. A # is invalid because a server may end the path at the # (RFC 9112, 3.2; HAProxy
// rejects it too).
func scanPath(path string) (valid, unplain bool) {
	for i := range len(path) {
		switch c := path[i]; {
		case c <= ' ' || c == 0x7f || c == '#':
			return false, false
		case c == '%' || c == '\\' || c == ';' || c >= 0x80:
			unplain = true
		case i > 0 && path[i-1] == '/' && (c == '/' || c == '.'):
			unplain = true
		}
	}
	return true, unplain
}

// hasDotDot reports whether a segment of the path is two dots.
func hasDotDot(path string) bool {
	if !strings.Contains(path, "..") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == ".." {
			return true
		}
	}
	return false
}

// lenientPath returns path as the most lenient servers read it, and whether they find a segment of two dots:
//
//   - Escapes are decoded until none is left (see decodings), also %uXXXX (IIS) and overlong UTF-8 of ASCII characters (older Java, IIS).
//   - A backslash is a slash (Windows).
//   - A segment ends at a semicolon (Tomcat, Jetty). Spaces at the end of a segment are ignored (Windows).
//   - Empty segments and single dots are removed. Two dots also remove the segment before them.
func lenientPath(path string) (clean string, dotDot bool) {
	path = strings.ReplaceAll(decodeAll(path), `\`, "/")
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		switch segment = strings.TrimRight(segment, " \t"); segment {
		case "", ".":
		case "..":
			dotDot = true
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/"), dotDot
}

// decodings is the maximum number of rounds of decodeAll. No known server decodes more than twice.
const decodings = 4

func decodeAll(path string) string {
	for range decodings {
		decoded := decodeOverlong(decodeOnce(path))
		if decoded == path {
			break
		}
		path = decoded
	}
	return path
}

// decodeOnce decodes well-formed escapes and keeps malformed escapes as they are.
func decodeOnce(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' {
			if n, ok := hexAt(path, i+1, 2); ok {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
			if n, ok := hexAt(path, i+2, 4); ok && path[i+1]|0x20 == 'u' {
				b.WriteRune(rune(n))
				i += 5
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

func hexAt(s string, from, digits int) (uint64, bool) {
	if len(s) < from+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(s[from:from+digits], 16, 32)
	return n, err == nil
}

// decodeOverlong decodes ASCII characters that are encoded in two or three bytes of UTF-8.
func decodeOverlong(path string) string {
	if !slices.ContainsFunc([]byte{0xc0, 0xc1, 0xe0}, func(b byte) bool { return strings.IndexByte(path, b) >= 0 }) {
		return path
	}
	continues := func(i int) bool { return i < len(path) && path[i]&0xc0 == 0x80 }
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c&0xfe == 0xc0 && continues(i+1):
			b.WriteByte(c&1<<6 | path[i+1]&0x3f)
			i++
		case c == 0xe0 && continues(i+1) && path[i+1]&0xfe == 0x80 && continues(i+2):
			b.WriteByte(path[i+1]&1<<6 | path[i+2]&0x3f)
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
