package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/wasim"
)

const neighbour = "+14840000050" // a second account of the same server

// side is one of two accounts that talk to each other, and the API as its
// workspace sees it.
type side struct {
	*server
	number string
}

// says has the account send to the other one and gives the message's uid.
func (s side) says(t *testing.T, to side, m client.Message) string {
	t.Helper()
	m.AccountPhone, m.Phone = s.number, to.number
	return s.send(t, m)
}

// shows waits until the account's chat with the other one has a text, and gives
// the message.
func (s side) shows(t *testing.T, with side, text string) shownMessage {
	t.Helper()
	_, m := s.awaitShown(t, with.number, text)
	return m
}

// count says how many messages the account's chat with the other one has.
func (s side) count(t *testing.T, with side) int {
	t.Helper()
	_, messages, err := s.conversation(t.Context(), with.number)
	if err != nil {
		t.Fatal(err)
	}
	return len(messages)
}

// talk has two accounts exchange what accounts exchange, and checks that each
// thing is there once on each side.
func talk(t *testing.T, a, b side) {
	t.Helper()
	hello := a.says(t, b, client.Message{Text: "hello from " + a.number})
	got := b.shows(t, a, "hello from "+a.number)
	if got.FromMe || got.Sender != a.number {
		t.Errorf("the other side shows %+v, want a message of %s", got, a.number)
	}
	if mine := a.shows(t, b, "hello from "+a.number); !mine.FromMe || mine.UID != hello || mine.Origin != "Public API" {
		t.Errorf("the sender shows %+v, want its own message %s", mine, hello)
	}
	a.awaitHistory(t, hello, "Sent", "Delivered", "Read")

	var ok json.RawMessage
	if err := b.apiCall(t.Context(), http.MethodPut, "/messages/"+got.UID+"/reactions", map[string]string{"reaction": "👍"}, &ok); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reaction is shown to who wrote", func(ctx context.Context) (bool, string) {
		var all struct {
			Data struct{ Reactions map[string]int }
		}
		if err := a.apiCall(ctx, http.MethodGet, "/messages/"+hello+"/reactions", nil, &all); err != nil {
			return false, err.Error()
		}
		return len(all.Data.Reactions) == 1 && all.Data.Reactions["👍"] == 1, fmt.Sprint(all)
	})

	file, err := b.api.Upload(t.Context(), "menu.png", "", bytes.NewReader(picture(t)))
	if err != nil {
		t.Fatal(err)
	}
	menu := b.says(t, a, client.Message{Text: "our menu", FileUID: file.UID})
	pic := a.shows(t, b, "our menu")
	b.awaitHistory(t, menu, "Sent", "Delivered", "Read")
	eventually(t, "the file is there", func(ctx context.Context) (bool, string) {
		var m struct {
			Data struct {
				URL  string `json:"attachment_url"`
				Name string `json:"attachment_filename"`
			}
		}
		if err := a.apiCall(ctx, http.MethodGet, "/messages/"+pic.UID, nil, &m); err != nil {
			return false, err.Error()
		}
		return m.Data.URL != "" && m.Data.Name != "", fmt.Sprintf("%+v", m)
	})
	if na, nb := a.count(t, b), b.count(t, a); na != 2 || nb != 2 {
		t.Errorf("%d and %d messages in the two chats, want 2 in each", na, nb)
	}
}

func TestComplaint07AccountsOfOneWorkspaceTalkToEachOther(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		srv.pair(t, neighbour)
		talk(t, side{srv, accountNumber}, side{srv, neighbour})
		srv.understood(t)
		srv.stop(t)
		s.healthy(t)
	})
}

func TestComplaint07AccountsOfTwoWorkspacesTalkToEachOther(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		s.must(t, "workspace", "create", "other")
		s.must(t, "workspace", "set", "--workspace", "other", "--gap", "0s-0s")
		srv.pairWith(t, neighbour, "--workspace", "other")
		other := *srv
		other.Token = strings.TrimSpace(s.must(t, "token", "create", "--workspace", "other", "--name", "neighbour"))
		var err error
		if other.api, err = client.New(srv.URL, other.Token, client.WithHTTPClient(srv.http), client.WithAttempts(1)); err != nil {
			t.Fatal(err)
		}
		talk(t, side{srv, accountNumber}, side{&other, neighbour})
		srv.understood(t)
		srv.stop(t)
	})
}

// limit restricts the sandbox's account for so long.
func (s *server) limit(t *testing.T, d time.Duration) {
	t.Helper()
	s.mustCall(t, http.MethodPost, "/sandbox/phones/"+accountNumber+"/reach-out", map[string]string{"for": d.String()}, nil)
}

// accountLimit is what account list --json says about restrictions.
type accountLimit struct {
	State    string
	Reason   string
	ReachOut *time.Time `json:"reach_out_limited_until"`
}

func (s *server) awaitLimited(t *testing.T, limited bool) {
	t.Helper()
	eventually(t, fmt.Sprintf("the account is shown as limited: %t", limited), func(context.Context) (bool, string) {
		accounts := query[[]accountLimit](t, s.site, "account", "list")
		return len(accounts) == 1 && accounts[0].State == "active" && (accounts[0].ReachOut != nil) == limited, fmt.Sprintf("%+v", accounts)
	})
}

func TestComplaint24WhyAMessageIsHeldIsShown(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "we know each other"}), "Sent", "Delivered", "Read")
		srv.limit(t, 12*time.Hour)
		srv.awaitLimited(t, true)

		cold := srv.send(t, client.Message{Phone: "+14840000003", Text: "we haven't met"})
		warm := srv.send(t, client.Message{Phone: ana, Text: "still there?"})
		srv.awaitHistory(t, warm, "Sent", "Delivered", "Read")
		type held struct {
			Queue *struct {
				Expected time.Time  `json:"expected_at"`
				Why      string     `json:"last_attempt"`
				Until    *time.Time `json:"held_until"`
			}
		}
		eventually(t, "the message says until when it is held, and why", func(context.Context) (bool, string) {
			q := query[held](t, s, "message", "show", cold).Queue
			return q != nil && q.Until != nil && !q.Expected.Before(*q.Until) && time.Until(*q.Until) > 11*time.Hour &&
				strings.Contains(q.Why, "nobody new"), fmt.Sprintf("%+v", q)
		})
		if out := s.must(t, "message", "show", cold); !strings.Contains(out, "held back until") {
			t.Errorf("a person is told\n%s", out)
		}
		if out := s.must(t, "account", "list"); !strings.Contains(out, "nobody new until") {
			t.Errorf("a person is told\n%s", out)
		}
		srv.stop(t)
		srv = s.start(t) // a restart honours the limit
		srv.awaitLimited(t, true)
		srv.awaitHistory(t, srv.send(t, client.Message{Phone: ana, Text: "and after a restart?"}), "Sent", "Delivered", "Read")
		if q := query[held](t, s, "message", "show", cold).Queue; q == nil || q.Until == nil {
			t.Errorf("after a restart the message is at %+v", q)
		}
		srv.limit(t, 0)
		srv.awaitLimited(t, false)
		srv.awaitHistory(t, cold, "Sent", "Delivered", "Read")

		// One that the limit outlives is told so at once, and paid back.
		srv.limit(t, 30*time.Hour)
		srv.awaitLimited(t, true)
		late := srv.send(t, client.Message{Phone: "+14840000004", Text: "nor have we"})
		srv.awaitHistory(t, late, "Failed")
		if m := query[messageShown](t, s, "message", "show", late); m.Reason != "reach_out_limited" || m.Credits != 0 {
			t.Errorf("shown as %+v, want reach_out_limited and the credit back", m)
		}
		srv.stop(t)
		s.healthy(t)
	})
}

func TestComplaint21AnotherVersionIsAnnouncedWithoutARestart(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	srv.awaitAccount(t, "active")
	type version struct {
		Announced string
		BuiltIn   string `json:"built_in"`
	}
	v := query[version](t, s, "whatsapp-version")
	last := strings.LastIndex(v.BuiltIn, ".") + 1
	number, err := strconv.Atoi(v.BuiltIn[last:])
	if err != nil {
		t.Fatal(err)
	}
	newer := v.BuiltIn[:last] + strconv.Itoa(number+1)
	if v.Announced != v.BuiltIn || v.BuiltIn == "" {
		t.Fatalf("announces %+v, want the one built in", v)
	}
	require := func(least string) {
		t.Helper()
		srv.mustCall(t, http.MethodPost, "/sandbox/version", map[string]string{"minimum": least}, nil)
		srv.fault(t, wasim.Fault{Kind: wasim.FaultCut})
	}
	require(newer)
	srv.awaitAccount(t, "outdated")
	if r := s.run(t, "doctor"); r.code != 1 || !strings.Contains(r.out, "tideline whatsapp-version") {
		t.Errorf("doctor about an outdated account: exit code %d\n%s", r.code, r.out)
	}
	uid := srv.send(t, client.Message{Phone: ana, Text: "waits for a version", AccountPhone: accountNumber})
	if r := s.run(t, "whatsapp-version", "newest"); r.code == 0 || !strings.Contains(r.notes, "not a WhatsApp version") {
		t.Errorf("a version that is none: exit code %d, %s", r.code, r.notes)
	}
	if v = query[version](t, s, "whatsapp-version", newer); v.Announced != newer {
		t.Errorf("announces %+v, want %s", v, newer)
	}
	srv.awaitAccount(t, "active")
	srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
	srv.stop(t)

	srv = s.start(t) // complaint 10: what was set is not forgotten
	if v = query[version](t, s, "whatsapp-version"); v.Announced != newer {
		t.Errorf("after a restart announces %+v, want %s", v, newer)
	}
	require(newer)
	srv.awaitAccount(t, "active")
	if v = query[version](t, s, "whatsapp-version", "built-in"); v.Announced != v.BuiltIn {
		t.Errorf("announces %+v, want the one built in", v)
	}
	srv.stop(t)
}

func TestComplaint10SettingsOutliveARestart(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		srv.pair(t, neighbour)
		s.must(t, "workspace", "set", "--gap", "3s-5s", "--name", "Corner Shop", "--time-zone", "Asia/Tokyo")
		s.must(t, "whatsapp-version", "2.3000.4000000000")
		told := func() string {
			list := query[[]map[string]any](t, s, "account", "list")
			for _, a := range list {
				delete(a, "connected_on")
				delete(a, "state")
				delete(a, "reason")
			}
			// In the list they are ordered by when they connected.
			slices.SortFunc(list, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a["id"]), fmt.Sprint(b["id"])) })
			out, err := json.Marshal(list)
			if err != nil {
				t.Fatal(err)
			}
			return s.must(t, "workspace", "show") + s.must(t, "whatsapp-version") + string(out)
		}
		active := func() {
			t.Helper()
			eventually(t, "both accounts are active", func(context.Context) (bool, string) {
				list := query[[]accountShown](t, s, "account", "list")
				return len(list) == 2 && list[0].State == "active" && list[1].State == "active", fmt.Sprintf("%+v", list)
			})
		}
		active()
		before := told()
		srv.stop(t)
		srv = s.start(t)
		active()
		if after := told(); after != before {
			t.Errorf("before the restart:\n%s\nafter it:\n%s", before, after)
		}
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		srv = s.start(t)
		active()
		if after := told(); after != before {
			t.Errorf("before the kill:\n%s\nafter it:\n%s", before, after)
		}
		srv.stop(t)
	})
}

func TestComplaint04NothingCountsAsSentWhileTheLineIsCut(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	s.must(t, "workspace", "set", "--gap", "0s-0s")
	srv.awaitAccount(t, "active")
	// The message arrives and the line breaks before WhatsApp's answer, then no
	// connection can be had.
	srv.fault(t, wasim.Fault{Kind: wasim.FaultRefuseConnection, Code: 503})
	srv.fault(t, wasim.Fault{Kind: wasim.FaultCutOnMessage, Count: 1})
	uids := make([]string, 3)
	for i := range uids {
		uids[i] = srv.send(t, client.Message{Phone: ana, Text: fmt.Sprint("number ", i), AccountPhone: accountNumber})
	}
	srv.awaitAccount(t, "disconnected")
	eventually(t, "the first one waits", func(context.Context) (bool, string) {
		m := query[messageShown](t, s, "message", "show", uids[0])
		return m.Queue != nil && m.Queue.LastAttempt != "", fmt.Sprintf("%+v", m)
	})
	for _, uid := range uids {
		if m := query[messageShown](t, s, "message", "show", uid); m.Status != "Pending" {
			t.Errorf("message %s is %s although nothing can be sent", uid, m.Status)
		}
	}
	srv.mustCall(t, http.MethodDelete, "/sandbox/faults", nil, nil)
	if out := s.must(t, "account", "reconnect", accountNumber); !strings.Contains(out, accountNumber+" connects") {
		t.Errorf("account reconnect prints %q", out)
	}
	for i, uid := range uids {
		srv.awaitHistory(t, uid, "Sent", "Delivered", "Read")
		srv.awaitText(t, ana, fmt.Sprint("number ", i))
	}
	srv.stop(t)
	s.healthy(t)
}

func TestComplaint22ABanIsShownAndCanBeTriedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	srv.awaitAccount(t, "active")
	srv.fault(t, wasim.Fault{Kind: wasim.FaultRefuseLogin, Code: 402})
	srv.fault(t, wasim.Fault{Kind: wasim.FaultCut})
	srv.awaitAccount(t, "banned")
	list := query[[]struct {
		Until *time.Time `json:"banned_until"`
	}](t, s, "account", "list")
	if len(list) != 1 || list[0].Until == nil || time.Until(*list[0].Until) < 23*time.Hour {
		t.Errorf("listed as %+v, want the end of the ban", list)
	}
	if out := s.must(t, "account", "list"); !strings.Contains(out, "banned until") {
		t.Errorf("a person is told\n%s", out)
	}
	if r := s.run(t, "doctor"); r.code != 1 || !strings.Contains(r.out, "banned until") {
		t.Errorf("doctor about a banned account: exit code %d\n%s", r.code, r.out)
	}
	srv.mustCall(t, http.MethodDelete, "/sandbox/faults", nil, nil)
	s.must(t, "account", "reconnect", accountNumber)
	srv.awaitAccount(t, "active")
	if r := s.run(t, "account", "reconnect", "+14840000123"); r.code == 0 || !strings.Contains(r.notes, "no account") {
		t.Errorf("reconnect of a stranger's number: exit code %d, %s", r.code, r.notes)
	}
	srv.stop(t)
	s.healthy(t)
}
