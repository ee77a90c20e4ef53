// Package terminal prints what servers say on terminals.
package terminal

import (
	"strconv"
	"strings"
	"unicode"
)

// Escape escapes each character of s that a terminal does not show as itself: control and format characters, those that
// change the direction of the text or have no width among them, and every space but the ordinary one. What a server says
// of itself could otherwise look like something else.
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

// hidden is about single characters. Combining marks are shown: many scripts need them.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
