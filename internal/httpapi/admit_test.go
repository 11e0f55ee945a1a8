package httpapi_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// operations are all that the contract has, each with a request that only lacks a
// token.
func operations(t *testing.T) []request {
	t.Helper()
	nothing := belongings{"uid": "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51", "chat_id": "1", "user_id": "1", "template_id": "1", "webhook_id": "1", "template": "1", "account": "x"}
	var list []request
	for id, operation := range contractOperations(t) {
		method, path, _ := strings.Cut(operation, " ")
		r := request{method: method, path: nothing.fill(path), body: nothing.fill(walls[id].body)}
		// A send may be judged by who asked a second ago until it is accepted. So it
		// must not be refused for something else before.
		r.body = strings.Replace(r.body, `,"whatsapp_account_id":"x"`, "", 1)
		if walls[id].form {
			r.body, r.header = "x", http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}
		}
		list = append(list, r)
	}
	return list
}

func TestEveryOperationAsksForAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	for _, op := range operations(t) {
		for name, tc := range map[string]struct {
			header http.Header
			code   string
		}{
			"none":         {http.Header{}, "missing_credentials"},
			"other scheme": {http.Header{"Authorization": {"Basic YTpi"}}, "missing_credentials"},
			"scheme alone": {http.Header{"Authorization": {"Bearer"}}, "missing_credentials"},
			"empty token":  {http.Header{"Authorization": {"Bearer  "}}, "missing_credentials"},
			"no scheme":    {http.Header{"Authorization": {w.token}}, "missing_credentials"},
			"unknown":      {http.Header{"Authorization": {"Bearer 4d2d0239-e28c-4f4a-8a4d-3a3ca40056b8"}}, "invalid_token"},
			"two":          {http.Header{"Authorization": {"Bearer " + w.token, "Bearer " + w.token}}, "invalid_token"},
			"two in one":   {http.Header{"Authorization": {"Bearer " + w.token + " " + w.token}}, "invalid_token"},
		} {
			r := op
			r.token, r.header = "-", tc.header
			if v := op.header.Get("Content-Type"); v != "" {
				r.header = r.header.Clone()
				r.header.Set("Content-Type", v)
			}
			a := w.do(r)
			w.refused(a, 401, tc.code)
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %s, %s: WWW-Authenticate is %q", op.method, op.path, name, a.header.Get("WWW-Authenticate"))
			}
		}
	}
}

func TestTheSchemeMayBeWrittenInAnyCase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	a := w.do(request{method: http.MethodGet, path: "/workspace", token: "-", header: http.Header{"Authorization": {"bearer   " + w.token}}})
	w.data(a)
}

func TestARevokedTokenIsDeadForTheNextRequest(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.send(map[string]any{"phone": "+14840000000", "text": "warm"}) // now it is in memory
		tokens, err := w.tokens.List(t.Context(), w.ws.ID)
		w.must(err)
		w.must(w.tokens.Revoke(t.Context(), w.ws.ID, tokens[0].ID))
		for _, op := range operations(t) {
			w.refused(w.do(op), 401, "invalid_token")
		}
		w.refused(w.post("/messages", `{"phone":7}`), 401, "invalid_token")
	})
}

func TestAnExpiredTokenIsInvalid(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		var err error
		w.token, _, err = w.tokens.Create(t.Context(), w.ws, w.owner, "short", time.Hour)
		w.must(err)
		w.send(map[string]any{"phone": "+14840000000", "text": "in time"})
		w.clock.move(time.Hour)
		for _, op := range operations(t) {
			w.refused(w.do(op), 401, "invalid_token")
		}
	})
}

func TestARemovedMembersTokenFindsNoMember(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		m, err := w.store.AddMember(t.Context(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@example.com", DisplayName: "Eve", Role: tideline.RoleAdmin, CreatedAt: w.clock.now()})
		w.must(err)
		w.token, _, err = w.tokens.Create(t.Context(), w.ws, m, "eve", 0)
		w.must(err)
		w.send(map[string]any{"phone": "+14840000000", "text": "still here"})
		w.must(w.store.RemoveMember(t.Context(), w.ws.ID, m.ID, w.clock.now()))
		for _, op := range operations(t) {
			w.refused(w.do(op), 403, "member_not_found")
		}
	})
}

func TestARoleThatMayNotSendIsDeniedAndARaisedOneIsNot(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		m, err := w.store.AddMember(t.Context(), tideline.Member{WorkspaceID: w.ws.ID, Email: "eve@example.com", DisplayName: "Eve", Role: tideline.RoleCollaborator, CreatedAt: w.clock.now()})
		w.must(err)
		w.token, _, err = w.tokens.Create(t.Context(), w.ws, m, "eve", 0)
		w.must(err)
		body := map[string]any{"phone": "+14840000000", "text": "x"}
		w.refused(w.post("/messages", body), 403, "permission_denied")
		w.refused(w.upload("a.txt", "x", nil), 403, "permission_denied")
		w.data(w.get("/workspace"))
		// A change counts at once, in both directions, although who sends is in memory.
		w.must(w.store.SetMemberRole(t.Context(), w.ws.ID, m.ID, tideline.RoleAgent))
		w.send(body)
		w.must(w.store.SetMemberRole(t.Context(), w.ws.ID, m.ID, tideline.RoleCollaborator))
		w.refused(w.post("/messages", body), 403, "permission_denied")
	})
}

func TestAPlanWithoutTheAPIAnswersSo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.send(map[string]any{"phone": "+14840000000", "text": "warm"})
		w.setPlan(func(p *tideline.Plan) { p.API = false })
		for _, op := range operations(t) {
			w.refused(w.do(op), 403, "plan_feature_unavailable")
		}
		w.setPlan(func(p *tideline.Plan) { p.API = true })
		w.send(map[string]any{"phone": "+14840000000", "text": "again"})
	})
}

func TestUsedUpAPICallsAreAQuotaWithATime(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		w.setPlan(func(p *tideline.Plan) { p.APICalls = 3 })
		w.send(map[string]any{"phone": "+14840000000", "text": "1"})
		w.get("/workspace")
		w.refused(w.get("/messages/nothing"), 404, "not_found") // counts too
		for _, op := range operations(t) {
			a := w.do(op)
			w.refused(a, 429, "quota_exceeded")
			if a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		// What was counted outlives the process, and ends with the period.
		w.must(w.meter.Flush(t.Context()))
		start, end := tideline.Period(w.clock.now(), w.ws.Location())
		if n, err := w.store.APICalls(t.Context(), w.ws.ID, start); err != nil || n != 3 {
			t.Errorf("%d calls written down, %v; want 3", n, err)
		}
		w.clock.move(time.Until(end) + time.Minute)
		w.data(w.get("/workspace"))
	})
}

func TestRequestsOverTheRateAreToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	slow := auth.Rate{PerSecond: 0.001, Burst: 2} // far slower than any machine
	for name, edit := range map[string]func(cfg *httpapi.Config){
		"per address": func(cfg *httpapi.Config) { cfg.PerIP = slow },
		"per token":   func(cfg *httpapi.Config) { cfg.PerToken = slow },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sqlite(t), edit)
			w.send(map[string]any{"phone": "+14840000000", "text": "1"})
			w.data(w.get("/workspace"))
			for _, op := range operations(t) {
				a := w.do(op)
				w.refused(a, 429, "rate_limit_exceeded")
				if got, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || got <= 0 || got > 1000 {
					t.Errorf("Retry-After: %q, want at most 1000", a.header.Get("Retry-After"))
				}
			}
			w.clock.move(1000 * time.Second)
			w.data(w.get("/workspace"))
		})
	}
}
