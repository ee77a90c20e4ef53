package connlimit

// OnFull makes Accept call f when l becomes full and when it is no longer full.
func OnFull(l *Listener, f func(full bool)) { l.onFull = f }
