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

// checkFree fails if one of the fixed addresses is taken. The daemons open their ports one after the
// other and keep the first when the second fails, so the second must be known to be free before.
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

// awaitMain returns once the HTTP server answers, whatever it answers. Exit waits for goroutines that
// Main starts, so it must not be called before Main has started them.
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

// runMain runs main in a goroutine and hands over its error when it returns.
func runMain(main func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- main() }()
	return done
}

// exitWithin ends a daemon and waits for its Main. The daemons wait without limit for a client that
// connected and never spoke, hence the bound.
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
		return fmt.Errorf("still running %v after stop", limit)
	}
	select {
	case err := <-main:
		return err
	case <-timeout.C:
		return errors.New("main did not return")
	}
}
