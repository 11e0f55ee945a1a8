package browser

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidelinehq/tideline/client"
)

// TestTheCustomersPhones plays a customer: what the shop sends shows up on the
// phone, and what is typed there arrives at the shop.
func TestTheCustomersPhones(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	p := s.owner()
	p.open("/phones")
	p.until("a customer's phone", `location.pathname === "/phones/`+ana[1:]+`"`)
	p.sees(".phones-empty", "Ana Costa")

	s.send(client.Message{Phone: ana, Text: "Your order is ready"})
	p.sees(".phones-bubble", "Your order is ready") // by itself

	// Typing, an answer by keyboard, and the ticks of the shop's server.
	p.click(".phones-bubble .phones-more > summary")
	p.click("[data-reply]")
	p.press("On my way")
	p.press(kb.Enter)
	p.sees(".phones-bubble.own blockquote", "Your order is ready")
	p.until("the ticks of an answer that arrived", `document.querySelector(".phones-bubble.own .phones-ticks.delivered, .phones-bubble.own .phones-ticks.read")`)
	p.sees("#phones-notes", "Delivered")
	eventually(t, "the shop has the answer", func() (bool, string) {
		for _, m := range s.conversation(ana) {
			if m.Text == "On my way" {
				return !m.FromMe, "it is the shop's own"
			}
		}
		return false, "not there"
	})

	// A reaction, given and taken back.
	p.click(".phones-bubble:not(.own) .phones-more > summary")
	p.click(`.phones-bubble:not(.own) button[value="👍"]`)
	p.sees(".phones-bubble:not(.own) .phones-reactions", "👍")
	p.click(".phones-bubble:not(.own) .phones-more > summary")
	p.click(`.phones-bubble:not(.own) .phones-actions button[value=""]`)
	p.until("no reaction", `!document.querySelector(".phones-reactions")`)

	// Files, which the phone plays and shows as it has them.
	p.click(`button[value="picture"]`)
	p.until("the picture is shown", `[...document.querySelectorAll(".phones-bubble.own img")].some((i) => i.complete && i.naturalWidth === 480)`)
	p.click(`button[value="voice"]`)
	p.until("the voice note is there", `document.querySelector(".phones-bubble.own audio")?.duration > 3.5`)
	read[bool](p, `document.querySelector(".phones-bubble.own audio").play().then(() => true)`)
	p.until("the voice note plays", `document.querySelector(".phones-bubble.own audio").currentTime > 0.2`)
	p.click(`.phones-head form[action$="/call"] button`)
	p.sees("#toasts", "picked up")

	// What goes wrong: the next acknowledgement is lost, and the message shown once.
	p.click(`#fault-lost_ack button`)
	p.sees("#phones-faults .phones-heal", "1")
	s.send(client.Message{Phone: ana, Text: "Sent twice, shown once"})
	p.sees(".phones-bubble", "Sent twice, shown once")
	p.until("the fault is spent", `!document.querySelector("#fault-lost_ack.on")`)
	p.click(`#fault-refused button`)
	p.until("it is on", `document.querySelector("#fault-refused button[aria-checked=true]")`)
	p.click(".phones-heal button")
	p.until("all is well", `!document.querySelector(".phones-heal") && !document.querySelector("#phones-faults .on")`)
	if n := read[int](p, `[...document.querySelectorAll(".phones-bubble > p")].filter((e) => e.textContent === "Sent twice, shown once").length`); n != 1 {
		t.Errorf("the message is shown %d times", n)
	}

	// Another phone, which reads nothing until it is told to.
	p.click(`[data-dialog="phones-add"]`)
	p.write("#phones-add-number", "+1 484 000 0055")
	p.write("#phones-add-name", "Eva")
	p.click("#phones-add button.primary")
	p.until("Eva's phone", `location.pathname === "/phones/14840000055" || document.querySelector('#phone-14840000055')`)
	p.open("/phones/14840000055")
	p.click(".phones-self > summary")
	p.click(`.phones-self input[name="reads"]`)
	eventually(t, "Eva reads nothing", func() (bool, string) {
		var got struct {
			Phones []struct {
				Number string
				Reads  bool
			}
		}
		s.call(http.MethodGet, "/sandbox/phones", nil, &got)
		for _, one := range got.Phones {
			if one.Number == "+14840000055" {
				return !one.Reads, "she does"
			}
		}
		return false, "she has no phone"
	})
	unread := s.send(client.Message{Phone: "+14840000055", Text: "Hello Eva"})
	p.sees(".phones-bubble", "Hello Eva")
	p.click(".phones-bubble .phones-more > summary")
	p.click(`form[action$="/read"] button`)
	eventually(t, "Eva has read it", func() (bool, string) {
		m, err := s.api.Message(t.Context(), unread)
		if err != nil {
			return false, err.Error()
		}
		return m.Status == "Read", m.Status
	})
}
