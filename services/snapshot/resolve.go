package snapshot

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLinks is the largest number of symbolic links in a row, as in Linux.
const maxLinks = 40

// resolve follows symbolic links at path and returns the path of their target, which need not exist. A rename to path itself
// would replace the link.
func resolve(path string) (string, error) {
	at := path
	for range maxLinks {
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 { // the caller gets the error when it opens the file
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
			return to, nil // the caller gets the error when it opens the file
		}
		at = filepath.Join(dir, name) // Join(to) would be wrong: it shortens link/.. before the link is followed
	}
	return "", fmt.Errorf("%s: more than %d symbolic links in a row", path, maxLinks)
}
