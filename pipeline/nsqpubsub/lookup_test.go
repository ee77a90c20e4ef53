package nsqpubsub_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall/integration/fixture"
	"rollcall/pipeline/nsqpubsub"
	"rollcall/services/embednsq"
)

func TestErrorStatesWhyNoNSQDIsKnown(t *testing.T) {
	responding := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	lookupd, nsqd := fixture.Lookupd(t), fixture.NSQD(t, embednsq.NSQDConfig{})
	const hint = "is this nsqlookupd's HTTP address?"
	for name, tt := range map[string]struct {
		addr string
		want []string
	}{
		"connection refused":      {fixture.FreeAddr(t), []string{"connection refused"}},
		"nsqlookupd's TCP port":   {lookupd.TCPAddr(), []string{hint}},
		"nsqd's TCP port":         {nsqd.TCPAddr(), []string{hint}},
		"nsqd's HTTP port":        {nsqd.HTTPAddr(), []string{"404 Not Found", hint}},
		"HTML":                    {responding(http.StatusOK, "<html>"), []string{hint}},
		"other JSON":              {responding(http.StatusOK, "{}"), []string{"no producers", hint}},
		"forbidden":               {responding(http.StatusForbidden, ""), []string{"403 Forbidden"}},
		"nsqlookupd without nsqd": {lookupd.HTTPAddr(), []string{"names 0 nsqd"}},
		"hung nsqlookupd":         {fixture.Silent(t), []string{"Timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := nsqpubsub.Cluster{Lookupd: []string{tt.addr}, LookupdPollTimeout: 200 * time.Millisecond}
			p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: cluster})
			err := p.Publish(t.Context(), "t", []byte("x"))
			if !errors.Is(err, nsqpubsub.ErrNoNSQD) {
				t.Fatalf("got %v, want %v", err, nsqpubsub.ErrNoNSQD)
			}
			c := mustRun(t, nsqpubsub.ConsumerConfig{Cluster: cluster, Initialize: true})
			fixture.Eventually(t, 2*time.Second, "nsqlookupd was queried", func() bool {
				l := c.Lookups()
				return len(l) == 1 && !strings.Contains(l[0].String(), "no response yet")
			})
			for _, want := range append(tt.want, tt.addr) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Publish returned %q, want %q in it", err, want)
				}
				if got := c.Lookups()[0].String(); !strings.Contains(got, want) {
					t.Errorf("Lookups returned %q, want %q in it", got, want)
				}
			}
		})
	}
}

func TestErrorStatesEachLookupd(t *testing.T) {
	refusing, empty := fixture.FreeAddr(t), fixture.Lookupd(t)
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{Lookupd: []string{refusing, empty.HTTPAddr()}}})
	err := p.Publish(t.Context(), "t", []byte("x"))
	for _, want := range []string{"nsqlookupd " + refusing + ": ", "connection refused; ", "nsqlookupd " + empty.HTTPAddr() + " names 0 nsqd"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
