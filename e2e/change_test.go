package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/wasim"
)

// TestPromise4AChangedGapCountsForQueuedMessages changes the gap while messages
// wait in the running server: to a longer one, to one that nobody outlives, and
// to none.
func TestPromise4AChangedGapCountsForQueuedMessages(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		const first, longer, count = 2 * time.Second, 5 * time.Second, 8
		srv := s.start(t)
		srv.addPhone(t, quiet)
		s.setGap(t, first)
		text := func(i int) string { return fmt.Sprintf("message %d", i) }
		uids := make([]string, count)
		for i := range uids {
			uids[i] = srv.send(t, client.Message{Phone: quiet, Text: text(i)})
		}
		before := srv.awaitText(t, quiet, text(0))
		changed := s.setGap(t, longer)
		tested := false
		for i := 1; i < count && !tested; i++ {
			m := srv.awaitText(t, quiet, text(i))
			// One that was due before the command ended may have left by the first gap.
			tested = before.ArrivedAt.Add(first).After(changed)
			checkGap(t, before, m, map[bool]time.Duration{false: first, true: longer}[tested])
			before = m
		}
		if !tested {
			t.Fatalf("the gap was changed too late to count for any of %d messages", count)
		}

		changed = s.setGap(t, time.Hour)
		log, err := srv.received(t.Context(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		if len(log) == count {
			t.Fatal("the gap was changed too late to hold a message back")
		}
		released := time.Now()
		s.setGap(t, 0)
		// In much less than the hour that they would have waited.
		srv.awaitHistory(t, uids[count-1], "Sent", "Delivered", "Read")
		if log, err = srv.received(t.Context(), quiet); err != nil {
			t.Fatal(err)
		}
		for i, m := range log {
			if m.Text != text(i) {
				t.Fatalf("%q came where %q was due: %+v", m.Text, text(i), log)
			}
			if i > 0 && log[i-1].ArrivedAt.Add(longer).After(changed) && m.ArrivedAt.Before(released.Add(-clockGrain)) {
				t.Errorf("%q did not wait for the gap of an hour", m.Text)
			}
		}
		srv.stop(t)
		s.healthy(t)
	})
}

// setGap sets a gap without randomness and gives an instant from which on it
// counts.
func (s site) setGap(t *testing.T, gap time.Duration) time.Time {
	t.Helper()
	s.must(t, "workspace", "set", "--gap", fmt.Sprintf("%s-%s", gap, gap))
	return time.Now()
}

// checkGap reports a message that came too soon after the one before it.
func checkGap(t *testing.T, before, m wasim.Received, gap time.Duration) {
	t.Helper()
	if got := m.ArrivedAt.Sub(before.ArrivedAt); got < gap-clockGrain {
		t.Errorf("%q came %s after %q, less than the gap of %s", m.Text, got, before.Text, gap)
	}
}

// TestARepeatedRequestOutlivesItsAccount repeats requests with their
// Idempotency-Key after the account that sent them was logged out: they get the
// answer that they had, while new ones are refused.
func TestARepeatedRequestOutlivesItsAccount(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		requests := []client.Message{
			{Phone: ana, Text: "from any account", IdempotencyKey: "any"},
			{Phone: ana, Text: "from this account", AccountPhone: accountNumber, IdempotencyKey: "named"},
		}
		var uids []string
		for _, m := range requests {
			uid := srv.send(t, m)
			srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
			uids = append(uids, uid)
		}
		s.must(t, "account", "logout", accountNumber)
		srv.awaitAccount(t, "logged_out")
		if accounts := query[[]accountShown](t, s, "account", "list"); accounts[0].Reason != "logged out by tideline account logout" {
			t.Errorf("the account is shown as %+v; want to be told who logged it out", accounts[0])
		}
		repeat := func(now string) {
			for i, m := range requests {
				again, err := srv.api.Send(t.Context(), m)
				if err != nil || again.MessageUID != uids[i] || !again.Replayed {
					t.Errorf("%s, %q again: %+v, %v; want the answer that it had, %s", now, m.Text, again, err, uids[i])
				}
				m.IdempotencyKey += "-new"
				if _, err := srv.api.Send(t.Context(), m); err == nil {
					t.Errorf("%s, %q is accepted as a new message", now, m.Text)
				}
			}
		}
		repeat("logged out")
		s.must(t, "account", "remove", accountNumber)
		repeat("removed")
		log, err := srv.received(t.Context(), ana)
		if err != nil {
			t.Fatal(err)
		}
		if len(log) != len(requests) {
			t.Errorf("the phone shows %d messages, want %d: %+v", len(log), len(requests), log)
		}
		srv.stop(t)
	})
}
