package registry

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall/events"
)

// observeSeqs delivers heartbeats of one server. Their sequence numbers are seqs, in the order of arrival. The server published
// the heartbeat with the sequence number n at n seconds after the start.
func observeSeqs(s *state, seqs ...uint64) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	now := start
	for _, seq := range seqs {
		published := start.Add(time.Duration(seq) * time.Second)
		if published.After(now) {
			now = published
		}
		s.observe(newMessage(plainBeat(1, seq), events.Receipt{Via: "a", PublishedAt: published, ReceivedAt: now, Delay: now.Sub(published)}))
	}
}

func seqs(from, to uint64, without ...uint64) (all []uint64) {
	for seq := from; seq <= to; seq++ {
		if !slices.Contains(without, seq) {
			all = append(all, seq)
		}
	}
	return all
}

func TestGapsInSeqCountAsLoss(t *testing.T) {
	swapped := seqs(1, 40)
	for i := 0; i+1 < len(swapped); i += 2 {
		swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
	}
	for _, tt := range []struct {
		name string
		seqs []uint64
		lost uint64
	}{
		{"no gap", seqs(1, 40), 0},
		{"every tenth is missing", seqs(1, 40, 10, 20, 30), 3},
		{"a gap longer than the window", seqs(1, 40, seqs(10, 24)...), 15},
		{"heartbeats before the first one do not count", seqs(100, 140), 0},
		{"a missing heartbeat in the window may still arrive", seqs(1, 40, 35), 0},
		{"a wrong order is no loss", swapped, 0},
		{"a heartbeat arrives at the end of the window", slices.Concat(seqs(1, 18, 10), []uint64{10}, seqs(19, 40)), 0},
		{"a heartbeat arrives after the window", slices.Concat(seqs(1, 19, 10), []uint64{10}, seqs(20, 40)), 1},
		{"duplicates", slices.Concat(seqs(1, 20), seqs(15, 20), seqs(21, 40)), 0},
		{"a duplicate does not hide a loss", slices.Concat(seqs(1, 18, 10, 12), []uint64{11, 11, 12}, seqs(19, 40)), 1},
		{"a sender that starts again with a much higher seq", slices.Concat(seqs(1, 20), seqs(600, 620)), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustState(t, Config{})
			observeSeqs(s, tt.seqs...)
			if got := s.stats().Lost; got != tt.lost {
				t.Errorf("%d lost, want %d of %d", got, tt.lost, s.stats().Due)
			}
		})
	}
}

func TestHeartbeatsWithoutSeqAreNotCounted(t *testing.T) {
	s := mustState(t, Config{})
	observeSeqs(s, 0, 0, 0)
	if st := s.stats(); st.Due != 0 || st.Lost != 0 {
		t.Errorf("%d of %d lost, want none of none", st.Lost, st.Due)
	}
}

// Heartbeats can arrive in any order. A heartbeat counts as lost if the window of sequence numbers has passed it before it
// arrives.
func TestWindowCountsMissingHeartbeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, newest, lost := allArrived, uint64(1), uint64(0)
		came := map[uint64]bool{1: true}
		for range rapid.IntRange(1, 60).Draw(t, "n") {
			seq := max(1, newest+uint64(rapid.IntRange(0, 14).Draw(t, "step"))) - uint64(rapid.IntRange(0, int(min(newest-1, 3))).Draw(t, "back"))
			switch {
			case seq > newest:
				lost += a.advance(seq - newest).lost
				newest = seq
				came[seq] = true
			case newest-seq <= lossWindow:
				a.late(newest - seq)
				came[seq] = true
			}
		}
		want := uint64(0)
		for seq := uint64(1); seq+lossWindow < newest; seq++ {
			if !came[seq] {
				want++
			}
		}
		if lost != want {
			t.Fatalf("%d lost of %d, want %d", lost, newest, want)
		}
	})
}

func TestDetailDescribesLoss(t *testing.T) {
	s := mustState(t, Config{})
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	play := func(from, to uint64, lose uint64) {
		for seq := from; seq <= to; seq++ {
			at := start.Add(time.Duration(seq) * 100 * time.Millisecond)
			if seq%100 >= lose {
				s.observe(newMessage(plainBeat(1, seq), events.Receipt{Via: "a", PublishedAt: at, ReceivedAt: at}))
			}
			s.tick(at, []string{"a"})
		}
	}
	play(1, 1100, 1)
	if detail := s.detail(ModeNormal); strings.Contains(detail, "lost") {
		t.Errorf("detail at 1 %% is %q", detail)
	}
	play(1101, 2400, 5)
	if detail := s.detail(ModeNormal); !strings.Contains(detail, "5.0 % of the heartbeats") {
		t.Errorf("detail at 5 %% is %q", detail)
	}
	play(2401, 3700, 0)
	if detail := s.detail(ModeNormal); strings.Contains(detail, "lost") {
		t.Errorf("detail two minutes after the last loss is %q", detail)
	}
}
