package browser

import "testing"

// TestComingInAndStaying is what a member does with their way in: a link, a
// password that is refused and one that is taken, a second browser whose session
// is ended from the first, their language and appearance.
func TestComingInAndStaying(t *testing.T) {
	t.Parallel()
	s := start(t)
	link := s.member("ben@example.com", "agent")
	ben := s.person("Ben")
	x := newExaminer(ben)
	ben.open(link)
	ben.sees("h1", "Hello")
	x.examine("a one-time link")
	ben.wear(looks[0])
	ben.click(`main form button`)
	ben.at("/inbox")
	late := s.person("somebody who found the link")
	late.expect("status 404", "status of 404")
	late.open(link)
	late.sees("h1", "This link is over")

	ben.open("/setup")
	x.examine("the setup")
	ben.wear(looks[0])
	ben.expect("status 422", "status of 422")
	ben.write("#password", "1234567890")
	ben.click(`form[action="/setup"] button.primary`)
	ben.sees("#problem-password", "one of the first")
	x.examine("the setup with a problem")
	ben.wear(looks[0])
	ben.write("#password", "velvet tractor")
	ben.click(`form[action="/setup"] button.primary`)
	ben.at("/inbox")

	elsewhere := s.person("Ben, elsewhere")
	elsewhere.open("/me")
	elsewhere.at("/signin?next=%2Fme")
	elsewhere.write("#email", "Ben@Example.com")
	elsewhere.write("#password", "velvet tractor")
	elsewhere.press("\r")
	elsewhere.at("/me")
	ben.open("/me")
	ben.click(`#sessions li:not(:has(.badge.ok)) form button`)
	ben.click(`dialog[open] button.primary`)
	ben.sees("#toasts", "The session has ended.")
	ben.until("it is gone from the list", `document.querySelectorAll("#sessions li").length === 1`)
	elsewhere.open("/me")
	elsewhere.at("/signin?next=%2Fme")

	// The appearance is this browser's: at once, and before anything is painted.
	ben.click(`#appearance input[value="dark"]`)
	ben.until("it is dark", `getComputedStyle(document.documentElement).colorScheme === "dark"`)
	ben.open("/me")
	ben.until("it is still dark", `getComputedStyle(document.documentElement).colorScheme === "dark" && document.querySelector('#appearance input[value="dark"]').checked`)
	ben.click(`#appearance input[value=""]`)
	ben.until("it is the device's again", `!("theme" in document.documentElement.dataset)`)

	if !read[bool](ben, `(document.querySelector("#language").value = "es", true)`) {
		t.Fatal("no language to choose")
	}
	ben.click(`form[action="/me/profile"] button`)
	ben.sees("h1", "Tu perfil")
	ben.sees("nav", "Bandeja")
	ben.click(`form[action="/signout"] button`)
	ben.sees("#toasts", "Has cerrado sesión.")
	ben.open("/me")
	ben.at("/signin?next=%2Fme")
}
