package browser

import (
	"strings"
	"testing"
)

// TestFirstRun goes from the address that serve printed to a message that was
// read, without anything but what the pages say.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.owner()
	p.at("/setup")
	p.write(`#name`, "Olga Ortiz")
	p.write(`#email`, "olga@example.com")
	p.write(`#password`, "correct horse battery staple")
	if zone := read[string](p, `document.querySelector("#zone").value`); zone == "" {
		t.Error("the time zone was not guessed")
	}
	p.click(`form[action="/setup"] button.primary`)
	p.at("/start")
	p.sees("#phone-step", shop)
	p.write("#text", "Hello from the first steps")
	p.click(`form[action="/start/message"] button.primary`)
	s.received(ana, "Hello from the first steps")
	p.sees("#ticks .badge.info", "Read")
	p.click(`form[action="/start/token"] button`)
	p.sees("#curl", "curl")
	if curl := read[string](p, `document.querySelector("#curl").textContent`); !strings.Contains(curl, s.URL) {
		t.Errorf("the line to copy is %q", curl)
	}

	// The link is used up; the password works, and a wrong one doesn't.
	guest := s.person("guest")
	guest.expect("status 4", "status of 4")
	guest.open(s.Enter)
	guest.sees("main", "tideline member link")
	guest.open("/me")
	guest.until("asked to sign in", `location.pathname === "/signin"`)
	sign := func(password string) {
		guest.write("#email", "olga@example.com")
		guest.write("#password", password)
		guest.click(`form[action="/signin"] button.primary`)
	}
	sign("wrong horse battery staple")
	guest.sees("#problem", "")
	sign("correct horse battery staple")
	guest.at("/me")
	guest.until("two sessions", `document.querySelectorAll("#sessions li").length === 2`)
	guest.click(`form[action="/signout"] button`)
	guest.until("signed out", `location.pathname === "/signin"`)
}
