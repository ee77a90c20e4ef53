package snapshot

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLinks is the largest number of symbolic links that resolve follows. Linux has the same limit.
const maxLinks = 40

// resolve follows the symbolic links at path and returns the path of the last target, which need not exist. A new file must be
// renamed to that path, because a rename to a link replaces the link.
func resolve(path string) (string, error) {
	at := path
	for range maxLinks {
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 { // on an error, opening the file will report the error
			return at, nil
		}
		to, err := os.Readlink(at)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			dir, _ := filepath.Split(at)
			to = dir + to
		}
		dir, name := filepath.Split(to)
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			return to, nil // opening the file will report the error
		}
		at = filepath.Join(dir, name) // Join(to) would make "link/.." empty, but link/.. is the parent of the target of link
	}
	return "", fmt.Errorf("%s: more than %d symbolic links in a row", path, maxLinks)
}
