package httpapi_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// sendScope are the operations that a token of the scope send may call.
var sendScope = map[string]bool{
	"sendMessage": true, "sendMessageToJID": true, "sendMessageToChat": true, "sendMessageV2": true, "sendMessageToChatV2": true,
	"sendMessageToChatName": true, "sendVoiceMessage": true, "sendFileMessage": true,
	"setMessageReaction": true, "putMessageReaction": true,
	"uploadFile": true, "uploadFileByURL": true,
	"getMessage": true, "getMessageStatusHistory": true,
}

// scopeAllows says whether a token of a scope may call an operation.
func scopeAllows(scope tideline.TokenScope, id, operation string) bool {
	switch scope {
	case tideline.ScopeAll:
		return true
	case tideline.ScopeRead:
		return strings.HasPrefix(operation, http.MethodGet+" ")
	}
	return sendScope[id]
}

// scoped makes a token of the owner.
func (w *world) scoped(scope tideline.TokenScope) string {
	w.t.Helper()
	text, _, err := w.tokens.Make(w.t.Context(), w.ws, w.owner, auth.Grant{Name: string(scope), Scope: scope})
	w.must(err)
	return text
}

// scopes: what a narrow token leaves out.
func (p *promises) scopes() {
	for _, scope := range []tideline.TokenScope{tideline.ScopeRead, tideline.ScopeSend} {
		token := p.scoped(scope)
		p.each(func(id string, r request) {
			if !scopeAllows(scope, id, p.operations[id]) {
				r.token = token
				p.expect(id, "with the scope "+string(scope), r, 403, "permission_denied")
			}
		})
	}
}

func TestATokensScopeNarrowsEveryOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	operations := contractOperations(t)
	own := w.belongings()
	for id := range sendScope {
		if operations[id] == "" {
			t.Errorf("the contract has no operation %s", id)
		}
	}
	for _, scope := range []tideline.TokenScope{tideline.ScopeRead, tideline.ScopeSend, tideline.ScopeAll} {
		token := w.scoped(scope)
		names := slices.Sorted(maps.Keys(operations))
		slices.SortStableFunc(names, func(a, b string) int { return len(order(a)) - len(order(b)) })
		for _, id := range names {
			got := w.try(token, id, operations[id], own)
			denied := got.status == http.StatusForbidden && strings.Contains(string(got.body), "permission_denied")
			if denied == scopeAllows(scope, id, operations[id]) {
				t.Errorf("%s with the scope %s: answered %d %s", id, scope, got.status, got.body)
			}
			if denied && !strings.Contains(string(got.body), "scope") {
				t.Errorf("%s: the answer doesn't say that it is the scope: %s", id, got.body)
			}
		}
		for _, r := range []request{{method: http.MethodHead, path: "/chats"}, {method: http.MethodHead, path: "/messages/" + own["uid"]}} {
			r.token = token
			want := http.StatusOK
			if scope == tideline.ScopeSend && r.path == "/chats" {
				want = http.StatusForbidden
			}
			if got := w.do(r); got.status != want {
				t.Errorf("HEAD %s with the scope %s: answered %d, want %d", r.path, scope, got.status, want)
			}
		}
	}
}

// order sorts what ends something to the end.
func order(id string) string {
	if last(id) {
		return "z"
	}
	return ""
}

func TestAScopeOfTheFastPathIsLookedAtLikeEveryOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	body := `{"phone":"+14840000001","text":"x"}`
	header := http.Header{"Content-Type": {"application/json"}}
	w.refused(w.do(request{method: http.MethodPost, path: "/messages", body: body, header: header, token: w.scoped(tideline.ScopeRead)}), 403, "permission_denied")
	if got := w.do(request{method: http.MethodPost, path: "/messages", body: body, header: header, token: w.scoped(tideline.ScopeSend)}); got.status != http.StatusOK {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestAChangeByTheAPIIsWrittenDownWithItsToken(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		own := w.belongings()
		if got := w.do(request{method: http.MethodPatch, path: "/chats/" + own["chat_id"], body: `{"closed":true}`, header: http.Header{"Content-Type": {"application/json"}}}); got.status != http.StatusOK {
			t.Fatalf("answered %d %s", got.status, got.body)
		}
		entries, _, err := w.store.Audit(t.Context(), w.ws.ID, store.AuditFilter{Group: "chat"}, 10)
		w.must(err)
		tokens, err := w.store.ListTokens(t.Context(), w.ws.ID)
		w.must(err)
		if len(entries) == 0 || entries[0].Action != tideline.AuditChatClosed {
			t.Fatalf("entries: %+v", entries)
		}
		if want := (tideline.Actor{MemberID: w.owner.ID, TokenID: tokens[0].ID, Via: tideline.ViaAPI}); entries[0].Actor != want {
			t.Errorf("actor %+v, want %+v", entries[0].Actor, want)
		}
	})
}

func TestTheUseOfATokenIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	w.get("/workspace")
	w.must(w.uses.Flush(t.Context()))
	tokens, err := w.store.ListTokens(t.Context(), w.ws.ID)
	w.must(err)
	first := tokens[0]
	if first.UsedAt.IsZero() || first.UsedFrom != "127.0.0.0/24" {
		t.Errorf("used %v from %q", first.UsedAt, first.UsedFrom)
	}
	w.clock.move(time.Hour)
	w.send(`{"phone":"+14840000001","text":"x"}`)
	w.must(w.uses.Flush(t.Context()))
	tokens, err = w.store.ListTokens(t.Context(), w.ws.ID)
	w.must(err)
	if got := tokens[0].UsedAt.Sub(first.UsedAt); got < time.Hour {
		t.Errorf("a send was not noted: last used %v later", got)
	}
}

func TestABrowserAtTheRootIsLedToTheTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), func(cfg *httpapi.Config) { cfg.TokensPage = "/tokens" })
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, tc := range []struct {
		method, path, accept string
		status               int
	}{
		{http.MethodGet, "", "text/html,application/xhtml+xml,*/*;q=0.8", http.StatusFound},
		{http.MethodGet, "/", "text/html", http.StatusFound},
		{http.MethodGet, "/", "application/json", http.StatusNotFound},
		{http.MethodGet, "/", "", http.StatusNotFound},
		{http.MethodPost, "/", "text/html", http.StatusNotFound},
		{http.MethodGet, "/workspace/", "text/html", http.StatusNotFound},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, w.url+tc.path, nil)
		w.must(err)
		req.Header.Set("Accept", tc.accept)
		resp, err := client.Do(req)
		w.must(err)
		_ = resp.Body.Close() // a short answer
		if resp.StatusCode != tc.status || (tc.status == http.StatusFound) != (resp.Header.Get("Location") == "/tokens") {
			t.Errorf("%s %q accepting %q: answered %d to %q", tc.method, tc.path, tc.accept, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}
