package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/wasim"
)

// messageShown is what message show --json prints, as far as tests look.
type messageShown struct {
	Status  string
	Reason  string
	Credits int64
	Queue   *struct {
		Before      int    `json:"messages_before"`
		LastAttempt string `json:"last_attempt"`
	}
}

// ledgerShown is what ledger --json prints, as far as tests look.
type ledgerShown struct {
	Available int64 `json:"credits_available"`
	Entries   []struct {
		ID        int64
		Kind      string
		MessageID int64 `json:"message_id"`
		Period    int64
	}
}

// refusedWith reports whether err is the server's refusal with a code.
func refusedWith(err error, code string) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Code == code
}

func TestPromise2EveryAcceptedMessageEnds(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		srv.fault(t, wasim.Fault{Kind: wasim.FaultRefuse, Number: "+14840000002", Count: 1, Code: 463})
		want := map[string]string{ // uid → reason, "" = sent
			srv.send(t, client.Message{Phone: nobody, Text: "Is anybody there?"}):          "not_on_whatsapp",
			srv.send(t, client.Message{Phone: "+14840000002", Text: "We haven't met"}):     "reach_out_limited",
			srv.send(t, client.Message{Phone: "+14840000003", Text: "Your order is here"}): "",
		}
		check := func(srv *server) {
			for uid, reason := range want {
				if reason == "" {
					srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
				} else {
					srv.awaitHistory(t, uid, "Failed")
				}
				if m := query[messageShown](t, s, "message", "show", uid); m.Reason != reason || m.Credits != map[bool]int64{true: 1}[reason == ""] || m.Queue != nil {
					t.Errorf("message %s is shown as %+v, want reason %q", uid, m, reason)
				}
			}
			refunds := 0
			for _, e := range query[ledgerShown](t, s, "ledger").Entries {
				if e.Kind == "refund" {
					refunds++
				}
			}
			if refunds != 2 {
				t.Errorf("%d refunds for 2 failed messages", refunds)
			}
		}
		check(srv)
		srv.stop(t)
		srv = s.start(t)
		check(srv) // a restart ends nothing twice
		srv.stop(t)
		s.healthy(t)
	})
}

func TestPromise3AtMostOnceOnThePhone(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		const silent = "+14840002000" // tells nobody what it got, so that only the acknowledgement proves a send
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		srv.mustCall(t, http.MethodPost, "/sandbox/phones", map[string]any{"number": silent, "delivers": false}, nil)

		// The connection breaks between delivery and acknowledgement.
		srv.fault(t, wasim.Fault{Kind: wasim.FaultCutBeforeAck, Number: silent, Count: 1})
		first := srv.send(t, client.Message{Phone: silent, Text: "once, over a cut connection"})
		srv.awaitHistory(t, first, "Sent")

		// The process dies between delivery and acknowledgement.
		srv.fault(t, wasim.Fault{Kind: wasim.FaultDropAck, Number: silent, Count: 1})
		second := srv.send(t, client.Message{Phone: silent, Text: "once, over a killed process"})
		srv.awaitText(t, silent, "once, over a killed process")
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		srv = s.start(t)
		srv.awaitHistory(t, second, "Sent")

		log, err := srv.received(t.Context(), silent)
		if err != nil {
			t.Fatal(err)
		}
		if len(log) != 2 {
			t.Fatalf("the phone shows %d messages, want 2: %+v", len(log), log)
		}
		for _, m := range log {
			if m.Attempts < 2 {
				t.Errorf("%q was sent %d times: the test did not lose its acknowledgement", m.Text, m.Attempts)
			}
		}
		srv.stop(t)
		s.healthy(t)
	})
}

func TestPromise4OrderAndGapSurviveARestart(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		const gap, count = 150 * time.Millisecond, 12
		srv := s.start(t)
		srv.addPhone(t, quiet)
		s.must(t, "workspace", "set", "--gap", fmt.Sprintf("%s-%s", gap, 2*gap))
		var want, uids []string
		for i := range count {
			want = append(want, fmt.Sprintf("message %d", i))
			uids = append(uids, srv.send(t, client.Message{Phone: quiet, Text: want[i]}))
		}
		if m := query[messageShown](t, s, "message", "show", uids[count-1]); m.Status != "Pending" || m.Queue == nil || m.Queue.Before < 1 {
			t.Errorf("the last message is shown as %+v, want it queued behind others", m)
		}
		srv.awaitText(t, quiet, want[2])
		srv.stop(t)
		srv = s.start(t)
		srv.awaitText(t, quiet, want[6])
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		srv = s.start(t)
		srv.awaitText(t, quiet, want[count-1])
		log, err := srv.received(t.Context(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, m := range log {
			got = append(got, m.Text)
			if i > 0 && m.ArrivedAt.Sub(log[i-1].ArrivedAt) < gap-clockGrain {
				t.Errorf("%q came %s after the one before, less than the gap of %s", m.Text, m.ArrivedAt.Sub(log[i-1].ArrivedAt), gap)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the phone shows them in another order: %s", diff)
		}
		srv.stop(t)
	})
}

func TestPromise5NothingBeyondTheBalance(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		const credits, tries = 10, 30
		srv := s.start(t)
		s.must(t, "workspace", "set", "--credits", fmt.Sprint(credits), "--gap", "1h-1h")
		rush := func(n int) (accepted int) {
			var mu sync.Mutex
			var group sync.WaitGroup
			for i := range n {
				group.Go(func() {
					_, err := srv.api.Send(t.Context(), client.Message{Phone: ana, Text: fmt.Sprintf("message %d", i)})
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						accepted++
					} else if !refusedWith(err, "quota_exceeded") {
						t.Errorf("send: %v, want quota_exceeded", err)
					}
				})
			}
			group.Wait()
			return accepted
		}
		if n := rush(tries); n != credits {
			t.Errorf("%d of %d messages were accepted with %d credits", n, tries, credits)
		}
		s.must(t, "workspace", "set", "--add-credits", "3")
		if n := rush(tries); n != 3 {
			t.Errorf("%d messages were accepted with 3 more credits", n)
		}
		l := query[ledgerShown](t, s, "ledger", "--last", "0")
		if l.Available != 0 {
			t.Errorf("%d credits are left", l.Available)
		}
		charges := 0
		for _, e := range l.Entries {
			if e.Kind == "charge" {
				charges++
			}
		}
		if charges != credits+3 {
			t.Errorf("the ledger has %d charges for %d messages", charges, credits+3)
		}
		srv.stop(t)
		s.healthy(t)
	})
}

func TestPromise8WallsBetweenWorkspaces(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		uid := srv.send(t, client.Message{Phone: ana, Text: "for Ana only"})
		file, err := srv.api.Upload(t.Context(), "secret.txt", "text/plain", strings.NewReader("secret"))
		if err != nil {
			t.Fatal(err)
		}
		s.must(t, "workspace", "create", "other")
		token := strings.TrimSpace(s.must(t, "token", "create", "--workspace", "other", "--name", "stranger"))
		stranger, err := client.New(srv.URL, token, client.WithHTTPClient(srv.http), client.WithAttempts(1))
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		for what, try := range map[string]func() error{
			"read a message":   func() error { _, err := stranger.Message(ctx, uid); return err },
			"read its history": func() error { _, err := stranger.StatusHistory(ctx, uid); return err },
			"read a file":      func() error { _, err := stranger.File(ctx, file.UID); return err },
			"send by an account": func() error {
				_, err := stranger.Send(ctx, client.Message{Phone: ana, Text: "x", AccountPhone: accountNumber})
				return err
			},
			"send by its id": func() error {
				_, err := stranger.Send(ctx, client.Message{Phone: ana, Text: "x", AccountPhone: strings.TrimPrefix(accountNumber, "+")})
				return err
			},
		} {
			if err := try(); !refusedWith(err, "not_found") {
				t.Errorf("%s of another workspace: %v, want not_found", what, err)
			}
		}
		if accounts, err := stranger.Accounts(ctx); err != nil || len(accounts) != 0 {
			t.Errorf("a stranger sees accounts %+v, %v", accounts, err)
		}
		if _, err := stranger.Send(ctx, client.Message{Phone: ana, Text: "x"}); !refusedWith(err, "validation_error") {
			t.Errorf("send without an account: %v, want validation_error", err)
		}
		for _, command := range [][]string{
			{"message", "show", uid, "--workspace", "other"},
			{"account", "logout", accountNumber, "--workspace", "other"},
			{"token", "revoke", "1", "--workspace", "other"},
		} {
			if r := s.run(t, command...); r.code != 1 || !strings.Contains(r.notes, "the workspace other has no") {
				t.Errorf("tideline %v: exit code %d, %s", command, r.code, r.notes)
			}
		}
		if r := s.run(t, "token", "list"); r.code != 2 || !strings.Contains(r.notes, "other, sandbox") {
			t.Errorf("without --workspace: exit code %d, %s; want to be asked which", r.code, r.notes)
		}
		srv.stop(t)
	})
}

// accountShown is what account list --json prints, as far as tests look.
type accountShown struct {
	Phone, State, Reason string
}

func (s *server) awaitAccount(t *testing.T, state string) {
	t.Helper()
	eventually(t, "the account is "+state, func(context.Context) (bool, string) {
		accounts := query[[]accountShown](t, s.site, "account", "list")
		return len(accounts) == 1 && accounts[0].State == state, fmt.Sprintf("%+v", accounts)
	})
}

func TestPromise9TheStateShownIsTheState(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	srv.awaitAccount(t, "active")

	srv.fault(t, wasim.Fault{Kind: wasim.FaultRefuseConnection, Code: 503})
	srv.fault(t, wasim.Fault{Kind: wasim.FaultCut})
	srv.awaitAccount(t, "disconnected")
	uid := srv.send(t, client.Message{Phone: ana, Text: "waits for the connection", AccountPhone: accountNumber})
	eventually(t, "the message says why it waits", func(context.Context) (bool, string) {
		m := query[messageShown](t, s, "message", "show", uid)
		return m.Queue != nil && m.Queue.LastAttempt == "account offline", fmt.Sprintf("%+v", m)
	})
	if _, err := srv.api.Send(t.Context(), client.Message{Phone: ana, Text: "by whom?"}); !refusedWith(err, "validation_error") || !strings.Contains(err.Error(), "No connected WhatsApp account") {
		t.Errorf("send by default while nothing is connected: %v", err)
	}
	srv.mustCall(t, http.MethodDelete, "/sandbox/faults", nil, nil)
	srv.awaitAccount(t, "active")
	srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")

	srv.fault(t, wasim.Fault{Kind: wasim.FaultLogout, Number: accountNumber})
	srv.awaitAccount(t, "logged_out")
	if r := s.run(t, "doctor"); r.code != 1 || !strings.Contains(r.out, "tideline account pair") {
		t.Errorf("doctor about an account that is logged out: exit code %d\n%s", r.code, r.out)
	}
	srv.stop(t)

	srv = s.start(t) // the sandbox pairs its account again
	srv.awaitAccount(t, "active")
	srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "back again"}), "Sent", "Delivered", "Read")
	srv.stop(t)
	srv.awaitAccount(t, "disconnected")

	srv = s.start(t)
	srv.awaitAccount(t, "active")
	if err := srv.Kill(); err != nil { // it can't note any more that the connection ended
		t.Fatal(err)
	}
	srv.awaitAccount(t, "disconnected")
}
