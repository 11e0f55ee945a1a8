package browser

import (
	"fmt"
	"testing"

	"github.com/tidelinehq/tideline/client"
)

// TestSettingAWorkspaceUp is what an owner does: a token for a program, somebody
// who is invited, comes, gets another role and is removed, other settings, and the
// log of all that.
func TestSettingAWorkspaceUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	owner := s.owner()
	token(owner)
	eve := invitation(owner)
	settings(owner)

	owner.open("/audit")
	for _, done := range []string{"Token created", "Member invited", "Member joined", "Role changed", "Settings changed"} {
		owner.sees("main table", done)
	}
	choose(owner, "#group", "token")
	owner.click(".filters button")
	owner.sees("main table", "till")
	owner.seesNot("main table", "Member joined")

	eve.open("/team")
	eve.sees("main", "Eve")
	eve.seesNot("nav", "Audit log")
	eve.expect("status 403", "status of 403")
	eve.open("/audit")
	eve.sees("h1", "Not allowed")

	owner.open("/team")
	owner.click(`main td a[href^="/team/members/"]:not([href$="/1"])`)
	owner.sees("h1", "Eve")
	owner.click(`form[action$="/remove"] button`)
	owner.click(`dialog[open] button.primary`)
	owner.at("/team")
	owner.sees("#toasts", "The member is removed")
	owner.seesNot("main table", "Eve")
	eve.open("/team")
	eve.at("/signin?next=%2Fteam")
}

// token makes a token that sends and does nothing else.
func token(p *person) {
	p.open("/integrations/api/")
	p.at("/tokens")
	p.write("#token-name", "till")
	p.click(`input[name="scope"][value="send"]`)
	p.click(`main form .btn.primary`)
	p.sees("h1", "Your new token")
	p.sees("#curl", p.s.URL+"/integrations/api/messages")
	text := read[string](p, `document.querySelector("#token").textContent`)
	till, err := client.New(p.s.URL, text)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := till.Send(p.t.Context(), client.Message{Phone: ana, Text: "Your order is ready."}); err != nil {
		p.t.Errorf("send with the token: %v", err)
	}
	if _, err := till.Workspace(p.t.Context()); err == nil {
		p.t.Error("a token that sends can look at the workspace")
	}
	p.open("/tokens")
	p.sees("main table", "till")
	p.seesNot("main", text)
}

// invitation brings Eve in and makes an agent of her.
func invitation(p *person) *person {
	p.open("/team")
	p.click("#invite summary")
	p.write("#invite-email", "eve@example.com")
	p.write("#invite-name", "Eve")
	p.click("#invite .btn.primary")
	p.sees("h1", "The invitation link")
	link := read[string](p, `document.querySelector("#link").textContent`)
	eve := p.s.person("Eve")
	eve.open(link)
	eve.sees("main", "You were invited as eve@example.com")
	eve.write("#password", "velvet tractor")
	eve.click(`main form button`)
	eve.until("signed in", `!location.pathname.startsWith("/enter")`)
	p.open("/team")
	p.sees("main table", "Eve")
	p.seesNot("main table", "Invited")
	p.click(`main td a[href^="/team/members/"]:not([href$="/1"])`)
	choose(p, "#role", "teammate")
	p.click(`main form .btn.primary`)
	p.sees("#toasts", "Saved")
	p.until("she is a teammate", `document.querySelector("#role").value === "teammate"`)
	return eve
}

func settings(p *person) {
	p.open("/settings")
	p.until("time zones are offered", `document.querySelectorAll("#zones option").length > 100`)
	p.write("#gap_max", "never")
	p.expect("status 422", "status of 422")
	p.click(`main form .btn.primary`)
	p.sees(".problem", "two numbers of seconds")
	p.write("#gap_max", "4")
	p.write("#name", "The bicycle shop")
	p.click(`main form .btn.primary`)
	p.sees("#toasts", "Saved")
	p.open("/settings")
	p.until("it is saved", `document.querySelector("#name").value === "The bicycle shop" && document.querySelector("#gap_max").value === "4"`)
}

// choose chooses a value of a select.
func choose(p *person, selector, value string) {
	p.t.Helper()
	p.until("a choice of "+value, fmt.Sprintf(`((s) => s && (s.value = %s, s.value === %[1]s))(document.querySelector(%s))`, quote(value), quote(selector)))
}
