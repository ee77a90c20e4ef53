// Package layout tests the repository itself: which package imports which, the size of files, and what the documents say.
package layout
