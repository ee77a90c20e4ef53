package app_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"go.uber.org/zap"

	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/app"
	"rollcall/services/config"
	"rollcall/services/dataserver"
	"rollcall/services/embednsq"
)

// An API server embedded in a program answers simple requests itself, and passes all other requests on to data servers.
func Example() {
	nsqd, stop := startDataServer("reports")
	defer stop()

	cfg := config.Default()
	cfg.ID = "api-1"
	cfg.NSQ.Lookupd, cfg.NSQ.NSQD = nil, []string{nsqd}
	cfg.API.Listen, cfg.Proxy.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Proxy.Routes = []string{"/hello=handler:hello", "/reports=reports"}
	cfg.Proxy.Handlers = map[string]http.Handler{
		"hello": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Hello from the API server.\n") }),
	}
	if err := cfg.Validate(); err != nil {
		log.Fatal(err)
	}
	server, err := app.ListenAPIServer(cfg, zap.NewNop())
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	fmt.Print(get("http://" + server.ProxyAddr() + "/hello"))
	fmt.Print(get("http://" + server.ProxyAddr() + "/reports/2026"))
	cancel()
	fmt.Println("ended:", <-ended)
	// Output:
	// Hello from the API server.
	// reports made /2026.
	// ended: <nil>
}

// startDataServer starts an nsqd, and a data server that publishes its heartbeats to that nsqd.
func startDataServer(service string) (nsqd string, stop func()) {
	n, err := embednsq.StartNSQD(embednsq.NSQDConfig{})
	if err != nil {
		log.Fatal(err)
	}
	s, err := dataserver.NewServer(dataserver.ServerConfig{
		Agent: dataserver.Config{Service: service, NSQ: nsqpubsub.Cluster{NSQD: []string{n.TCPAddr()}}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s made %s.\n", service, r.URL.Path)
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return n.TCPAddr(), func() {
		cancel()
		if err := <-ended; err != nil {
			log.Fatal(err)
		}
		if err := n.Stop(); err != nil {
			log.Fatal(err)
		}
	}
}

// get repeats the request until a server is registered, for at most 10 s.
func get(url string) string {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for range 100 {
		resp, err := client.Get(url)
		if err != nil {
			return err.Error()
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK {
			return string(body)
		}
		<-time.After(100 * time.Millisecond)
	}
	return "no answer"
}
