package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidelinehq/tideline/api"
	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/httpapi"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
)

// sends are the operations that take credits and an Idempotency-Key.
func sends(id string) bool { return strings.HasPrefix(id, "send") }

// last are the operations after which others would find nothing any more.
func last(id string) bool { return strings.HasPrefix(id, "delete") || strings.HasPrefix(id, "revoke") }

// documented reads, from the contract, each operation's statuses and the error
// codes that the text of each names. 500 is our fault and can't be asked for.
func documented(t *testing.T) map[string]map[int][]string {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, code := range doc.Components.Schemas["ErrorCode"].Value.Enum {
		codes = append(codes, code.(string))
	}
	word := regexp.MustCompile("`(" + strings.Join(codes, "|") + ")`")
	all := map[string]map[int][]string{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			all[op.OperationID] = map[int][]string{}
			for key, response := range op.Responses.Map() {
				status, err := strconv.Atoi(key)
				if err != nil {
					t.Fatalf("%s documents the status %q, which is no number", op.OperationID, key)
				}
				if status == http.StatusInternalServerError {
					continue
				}
				all[op.OperationID][status] = []string{}
				for _, found := range word.FindAllStringSubmatch(*response.Value.Description, -1) {
					all[op.OperationID][status] = append(all[op.OperationID][status], found[1])
				}
			}
		}
	}
	return all
}

// promises collects what the operations of the contract were seen to answer.
type promises struct {
	*world
	own, theirs belongings
	operations  map[string]string
	seen        map[string]map[int][]string // codes, by operation and status
}

// good makes a request that the operation answers with 200.
func (p *promises) good(id string) request {
	r := requestOf(id, p.operations[id], p.own)
	if id == "sendVoiceMessage" {
		r.body = formWith("a.ogg", string(voicetest.Opus(time.Second)))
	}
	return r
}

// expect asks and notes the answer, which must have the status and, of an error,
// the code and the blamed fields.
func (p *promises) expect(id, why string, r request, status int, code string, fields ...string) {
	p.t.Helper()
	got := p.do(r)
	about := about{p.t, fmt.Sprintf("%s: %s %.200s, %.200s: ", id, r.method, r.path, why)}
	if status != http.StatusOK {
		checkRefused(about, got, status, code, fields...)
	} else if got.status != status {
		about.Errorf("answered %d %s", got.status, got.body)
	}
	if p.seen[id] == nil {
		p.seen[id] = map[int][]string{}
	}
	p.seen[id][status] = append(p.seen[id][status], code)
}

// about says in front of an error what it is about.
type about struct {
	testing.TB
	what string
}

// Errorf implements testing.TB.
func (a about) Errorf(format string, args ...any) {
	a.Helper()
	a.TB.Errorf("%s"+format, slices.Concat([]any{a.what}, args)...)
}

// each runs a step for every operation of the contract.
func (p *promises) each(step func(id string, r request)) {
	for _, id := range slices.Sorted(maps.Keys(p.operations)) {
		step(id, p.good(id))
	}
}

// TestEveryAnswerOfTheContractIsGiven walks through all operations of the
// contract and all statuses and error codes that it documents for them, and
// makes the server give each: an operation or an answer that the contract has
// and this test doesn't bring about fails it, and so does an answer that the
// contract doesn't have.
func TestEveryAnswerOfTheContractIsGiven(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		p := &promises{world: w, own: w.belongings(), operations: contractOperations(t), seen: map[string]map[int][]string{}}
		p.theirs = p.strangersBelongings()
		p.credentials()
		p.roles()
		p.scopes()
		p.notFound()
		p.bodies()
		p.each(func(id string, good request) {
			for _, f := range refusals[id] {
				r := good
				r.path += f.query
				if f.body != "" {
					r.body = f.body
				}
				p.expect(id, f.query+f.body, r, f.status, f.code, f.fields...)
			}
		})
		p.conflicts()
		p.away()
		p.each(func(id string, r request) {
			if !last(id) {
				p.expect(id, "a good request", r, 200, "")
			}
		})
		p.each(func(id string, r request) {
			if last(id) {
				p.expect(id, "a good request", r, 200, "")
				p.expect(id, "once more", r, 404, "not_found")
			}
		})
		p.limits()
		words := documented(t)
		for id, statuses := range words {
			for status, codes := range statuses {
				if _, ok := p.seen[id][status]; !ok {
					t.Errorf("%s: the contract documents %d, which no request here is answered with", id, status)
				}
				for _, code := range codes {
					if !slices.Contains(p.seen[id][status], code) {
						t.Errorf("%s: the contract documents %d %s, which no request here is answered with", id, status, code)
					}
				}
			}
		}
		for id, statuses := range p.seen {
			for status, codes := range statuses {
				for _, code := range codes {
					if code != "" && !slices.Contains(words[id][status], code) {
						t.Errorf("%s answers %d %s, which the contract doesn't document", id, status, code)
					}
				}
			}
		}
	})
}

// strangersBelongings are things of another workspace.
func (p *promises) strangersBelongings() belongings {
	ws, owner, token, acc := p.ws, p.owner, p.token, p.acc
	p.ws, p.owner, p.token, p.acc = p.newTenant("stranger")
	b := p.belongings()
	p.ws, p.owner, p.token, p.acc = ws, owner, token, acc
	return b
}

// credentials: who asks without any, with wrong ones, or as nobody.
func (p *promises) credentials() {
	removed := p.as("gone@acme.example", tideline.RoleAdmin)
	p.must(p.store.RemoveMember(p.t.Context(), p.ws.ID, p.memberID("gone@acme.example"), p.clock.now()))
	p.each(func(id string, r request) {
		r.token = "-"
		p.expect(id, "without a token", r, 401, "missing_credentials")
		r.token = "4d2d0239-e28c-4f4a-8a4d-3a3ca40056b8"
		p.expect(id, "with an unknown token", r, 401, "invalid_token")
		r.token = removed
		p.expect(id, "as a member who left", r, 403, "member_not_found")
	})
}

// roles: who may least.
func (p *promises) roles() {
	collaborator := p.as("col@acme.example", tideline.RoleCollaborator)
	p.each(func(id string, r request) {
		if walls[id].least != http.StatusForbidden {
			return
		}
		r.token = collaborator
		p.expect(id, "as a collaborator", r, 403, "permission_denied")
	})
}

// notFound: ids of another workspace, of nothing, and of no form at all.
func (p *promises) notFound() {
	param := regexp.MustCompile(`\{[a-z_]+\}`)
	p.each(func(id string, good request) {
		if walls[id].foreign != 0 {
			p.expect(id, "of another workspace", func() request {
				r := requestOf(id, p.operations[id], p.theirs)
				if id == "sendMessageToChatName" {
					r.body = `{"chat_name":"Nobody","text":"x"}`
				}
				return r
			}(), 404, "not_found")
		}
		_, path, _ := strings.Cut(p.operations[id], " ")
		if !param.MatchString(path) {
			return
		}
		for _, text := range []string{"0", "-1", "1.5", "1e3", "99999999999999999999", "x", "%00", "%FF", "%E2%98%83", "null", "0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51", "4711", strings.Repeat("7", 2000)} {
			r := good
			r.path = param.ReplaceAllString(path, text)
			p.expect(id, "with an id of nothing", r, 404, "not_found")
		}
	})
}

// bodies: what can't be read, is too large, or of another kind.
func (p *promises) bodies() {
	p.each(func(id string, good request) {
		kind := func(media string) http.Header { return http.Header{"Content-Type": {media}} }
		switch {
		case walls[id].form:
			r := good
			r.header = kind("application/json")
			p.expect(id, "JSON for a form", r, 405, "not_supported")
			r.header = kind("text/plain")
			p.expect(id, "text for a form", r, 400, "validation_error")
			r.header = kind("multipart/form-data")
			p.expect(id, "without a boundary", r, 400, "validation_error")
			r.header = good.header
			r.body = "--b--\r\n"
			p.expect(id, "without a file", r, 400, "validation_error", "file")
			r.body = good.body[:len(good.body)-8]
			p.expect(id, "the beginning of a form", r, 400, "validation_error")
			p.setPlan(func(plan *tideline.Plan) { plan.MaxFileBytes = 8 })
			r.body = formWith("a.txt", "nine bytes")
			p.expect(id, "a large file", r, 413, "validation_error")
			p.setPlan(func(*tideline.Plan) {})
		case walls[id].body != "":
			bodies := []string{`[]`, `null`, `7`, `"x"`, `{`, `{"text":`, "{\"text\":\"\xff\"}", `{"text":"x"}}`, ""}
			if id == "trackTemplateUsage" {
				bodies = bodies[:len(bodies)-1] // its body may be left out
			}
			for _, body := range bodies {
				r := good
				r.body = body
				p.expect(id, "the body "+body, r, 400, "validation_error")
			}
			r := good
			r.header = kind("text/html")
			p.expect(id, "text/html", r, 400, "validation_error")
			r.header = good.header
			r.body = `{"text":"` + strings.Repeat("x", 1<<20) + `"}`
			p.expect(id, "a large body", r, 413, "validation_error")
		}
	})
}

// conflicts: what was done already.
func (p *promises) conflicts() {
	p.as("dan@acme.example", tideline.RoleAgent)
	r := p.good("revokeInvitation")
	r.path = strings.Replace(r.path, p.own["user_id"], strconv.FormatInt(p.memberID("dan@acme.example"), 10), 1)
	p.expect("revokeInvitation", "of who has joined", r, 409, "validation_error")
	p.each(func(id string, good request) {
		if !sends(id) {
			return
		}
		r := good
		r.header = good.header.Clone()
		r.header.Set("Idempotency-Key", "no key")
		p.expect(id, "with a key that is none", r, 400, "validation_error", "Idempotency-Key")
		r.header.Set("Idempotency-Key", "of-"+id)
		p.expect(id, "with a key", r, 200, "")
		if walls[id].form {
			r.body = formWith("b.ogg", string(voicetest.Opus(2*time.Second)))
		} else {
			r.body = strings.Replace(r.body, `"x"`, `"y"`, 1)
		}
		p.expect(id, "with the key of another body", r, 409, "validation_error")
		p.setCredits(0)
		p.expect(id, "without credits", good, 403, "quota_exceeded")
		p.setCredits(1000)
	})
}

// limits: plans and rates. Afterwards there is nothing left to ask for.
func (p *promises) limits() {
	p.setPlan(func(plan *tideline.Plan) { plan.API = false })
	p.each(func(id string, r request) { p.expect(id, "without the API", r, 403, "plan_feature_unavailable") })
	p.setPlan(func(plan *tideline.Plan) { plan.APICalls = 1 })
	p.each(func(id string, r request) { p.expect(id, "without calls", r, 429, "quota_exceeded") })

	hasty := newWorld(p.t, sqlite(p.t), func(cfg *httpapi.Config) { cfg.PerToken = auth.Rate{PerSecond: 0.001, Burst: 1} })
	hasty.get("/workspace")
	token, do := p.token, p.world
	p.token, p.world = hasty.token, hasty
	p.each(func(id string, r request) { p.expect(id, "in a hurry", r, 429, "rate_limit_exceeded") })
	p.token, p.world = token, do
}
