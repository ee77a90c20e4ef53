package connlimit

// OnFull makes Accept call the function f when l becomes full and when l is no longer full.
func OnFull(l *Listener, f func(full bool)) { l.onFull = f }
