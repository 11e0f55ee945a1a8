package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

const tokensPath = "/tokens"

// States of a token, as the texts name them.
const (
	stateActive  = "active"
	stateExpired = "expired"
	stateRevoked = "revoked"
	stateNobody  = "nobody" // its member was removed
)

// tokenRow is a token as the list shows it.
type tokenRow struct {
	tideline.Token
	State  string // one of the states
	Holder string // name of the member; "" = they were removed
	Mine   bool
}

// tokensView is what the page of tokens shows.
type tokensView struct {
	Tokens   []tokenRow
	Ended    int // tokens that were left out because they have ended
	All      bool
	Holders  bool // the reader sees other members' tokens
	Form     tokenForm
	Problems map[string]string
	API      string // its address
}

// tokenForm is what was filled in.
type tokenForm struct{ Name, Scope, Life string }

// lives are the choices of how long a token is good for; 0 = it does not expire.
var lives = map[string]time.Duration{"": 0, "30": 30 * 24 * time.Hour, "90": 90 * 24 * time.Hour, "365": 365 * 24 * time.Hour}

func (s *section) showTokens(q *ui.Request) error {
	v, err := s.tokensView(q, tokenForm{Scope: string(tideline.ScopeAll)})
	if err != nil {
		return err
	}
	return q.Page("admin/tokens", page("admin.tokens.title", "tokens", v))
}

func (s *section) tokensView(q *ui.Request, f tokenForm) (tokensView, error) {
	p := q.Principal
	tokens, err := s.Tokens.SeenBy(q.Context(), p)
	if err != nil {
		return tokensView{}, err
	}
	_, members, err := s.Team.Teammates(q.Context(), p)
	if err != nil {
		return tokensView{}, err
	}
	names := map[int64]string{}
	for _, m := range members {
		names[m.Member.ID] = m.Member.DisplayName
	}
	v := tokensView{All: q.R.URL.Query().Has("all"), Holders: p.Member.Role.Administers(), Form: f, API: s.BaseURL(q.R) + s.APIPath}
	slices.Reverse(tokens) // the latest first
	for _, k := range tokens {
		row := tokenRow{Token: k, State: stateOf(&k, names[k.MemberID], s.Now()), Holder: names[k.MemberID], Mine: k.MemberID == p.Member.ID}
		if row.State == stateActive || v.All {
			v.Tokens = append(v.Tokens, row)
		} else {
			v.Ended++
		}
	}
	return v, nil
}

func stateOf(k *tideline.Token, holder string, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return stateRevoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return stateExpired
	case holder == "":
		return stateNobody
	}
	return stateActive
}

// madeView shows a token's text, this once.
type madeView struct {
	Token tideline.Token
	Text  string
	Try   string // "send" or "look": which request the line makes
	Curl  string // a line for a terminal
}

// curlLine makes a request with a token; no word of it is in a language.
func curlLine(api, text, try string) string {
	line := "curl " + api + "/workspace \\\n  -H 'Authorization: Bearer " + text + "'"
	if try == "send" {
		line = "curl " + api + "/messages \\\n  -H 'Authorization: Bearer " + text + "' \\\n  -H 'Content-Type: application/json' \\\n" +
			`  -d '{"phone": "+14840000000", "text": "hello, world!"}'`
	}
	return line
}

func (s *section) createToken(q *ui.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	f := tokenForm{form.Get("name"), form.Get("scope"), form.Get("life")}
	life, known := lives[f.Life]
	if !known {
		return tideline.Invalid([]tideline.FieldError{{Path: []string{"life"}, Msg: q.T("admin.tokens.life.wrong")}})
	}
	text, k, err := s.Tokens.MakeOwn(q.Context(), q.Principal, auth.Grant{Name: f.Name, Scope: tideline.TokenScope(f.Scope), TTL: life})
	if problems := problemsOf(err); len(problems) > 0 && !q.WantsJSON() {
		v, err := s.tokensView(q, f)
		if err != nil {
			return err
		}
		v.Problems = problems
		return q.PageStatus(http.StatusUnprocessableEntity, "admin/tokens", page("admin.tokens.title", "tokens", v))
	}
	if err != nil {
		return err
	}
	try := "send"
	if k.Scope == tideline.ScopeRead || !q.Principal.Member.Role.MaySend() {
		try = "look"
	}
	return q.Page("admin/token", page("admin.token.title", "tokens", madeView{k, text, try, curlLine(s.BaseURL(q.R)+s.APIPath, text, try)}))
}

func (s *section) revokeToken(q *ui.Request) error {
	id, err := q.PathID("id")
	if err != nil {
		return err
	}
	if err := s.Tokens.RevokeAs(q.Context(), q.Principal, id); err != nil {
		return err
	}
	return q.Done(tokensPath, "admin.tokens.revoked")
}
