package figures

import (
	"syscall"
	"time"
)

// sleepUntil sleeps until t. It blocks a thread, because the runtime may wake a goroutine a millisecond late.
func sleepUntil(t time.Time) {
	if d := time.Until(t); d > 0 {
		s := syscall.NsecToTimespec(d.Nanoseconds())
		_ = syscall.Nanosleep(&s, nil)
	}
}
