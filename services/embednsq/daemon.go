package embednsq

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	startTimeout = 5 * time.Second
	stopTimeout  = 5 * time.Second
)

// checkFree returns an error if one of the addresses is in use. A daemon opens its two ports one after the other, and does
// not close the first if it cannot open the second. So checkFree checks both ports before the daemon starts.
func checkFree(addresses ...string) error {
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// awaitMain returns after the HTTP server has responded, with any status. Main has then started its goroutines. Exit
// waits for these goroutines and must not be called before.
func awaitMain(httpAddr string) error {
	client := http.Client{
		Timeout:   startTimeout,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	resp, err := client.Get("http://" + httpAddr + "/ping")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// runMain runs main in a goroutine. The channel receives main's error.
func runMain(main func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- main() }()
	return done
}

// exitWithin stops a daemon and waits until its method Main has returned. The wait is bounded, because the daemons wait
// without a limit for a client that has connected and sent nothing.
func exitWithin(limit time.Duration, exit func(), main <-chan error) error {
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		exit()
	}()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-exited:
	case <-timeout.C:
		return fmt.Errorf("still running %v after the stop", limit)
	}
	select {
	case err := <-main:
		return err
	case <-timeout.C:
		return errors.New("main did not return")
	}
}
