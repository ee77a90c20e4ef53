// Package terminal formats untrusted text and lifecycle events for terminals.
package terminal

import (
	"strconv"
	"strings"
	"unicode"
)

// Escape escapes each character of s that a terminal does not show as itself: control and format characters, including those that change
// the direction of text or have no width, and every space except U+0020. Servers choose their ids and metadata, and could otherwise
// disguise them or control the terminal.
func Escape(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden reports whether Escape escapes r. Combining marks are not hidden, because many scripts need them.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
