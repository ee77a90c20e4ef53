package snapshot

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLinks is how many symbolic links may follow each other, as in Linux.
const maxLinks = 40

// resolve returns the file that path stands for: where it is a symbolic link, the file that the link names, which need
// not be there. A rename onto path itself would replace the link.
func resolve(path string) (string, error) {
	at := path
	for range maxLinks {
		info, err := os.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 { // an error is told by whoever opens the file
			return at, nil
		}
		to, err := os.Readlink(at)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(to) {
			folder, _ := filepath.Split(at)
			to = folder + to
		}
		folder, name := filepath.Split(to)
		if folder, err = filepath.EvalSymlinks(folder); err != nil {
			return to, nil // as above
		}
		at = filepath.Join(folder, name) // not of to: that takes link/.. for the folder that link is in
	}
	return "", fmt.Errorf("%s: more than %d symbolic links follow each other", path, maxLinks)
}
