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

func TestWhyNoNSQDIsKnown(t *testing.T) {
	answering := func(status int, body string) string {
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
		"nobody listens":            {fixture.FreeAddr(t), []string{"connection refused"}},
		"nsqlookupd's TCP port":     {lookupd.TCPAddr(), []string{hint}},
		"nsqd's TCP port":           {nsqd.TCPAddr(), []string{hint}},
		"nsqd's HTTP port":          {nsqd.HTTPAddr(), []string{"404 Not Found", hint}},
		"a page for people":         {answering(http.StatusOK, "<html>"), []string{hint}},
		"JSON of something else":    {answering(http.StatusOK, "{}"), []string{"no producers", hint}},
		"it wants to know who asks": {answering(http.StatusForbidden, ""), []string{"403 Forbidden"}},
		"nsqlookupd that has none":  {lookupd.HTTPAddr(), []string{"names 0 nsqd"}},
		"a hung one":                {fixture.Silent(t), []string{"Timeout"}},
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
				return len(l) == 1 && !strings.Contains(l[0].String(), "no answer yet")
			})
			for _, want := range append(tt.want, tt.addr) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Publish says %q, want %q", err, want)
				}
				if got := c.Lookups()[0].String(); !strings.Contains(got, want) {
					t.Errorf("the consumer says %q, want %q", got, want)
				}
			}
		})
	}
}

func TestWhichLookupdDoesNotKnowOfAnyNSQD(t *testing.T) {
	refusing, empty := fixture.FreeAddr(t), fixture.Lookupd(t)
	p := mustProducer(t, nsqpubsub.ProducerConfig{Cluster: nsqpubsub.Cluster{Lookupd: []string{refusing, empty.HTTPAddr()}}})
	err := p.Publish(t.Context(), "t", []byte("x"))
	for _, want := range []string{"nsqlookupd " + refusing + ": ", "connection refused; ", "nsqlookupd " + empty.HTTPAddr() + " names 0 nsqd"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
