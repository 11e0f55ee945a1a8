package browser

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// TestTheFocusReachesEverything finds a chat and answers it with the keys that every
// page has: nothing on the way keeps the focus.
func TestTheFocusReachesEverything(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	for _, number := range []string{ana, chloe} {
		s.quiet(number)
	}
	p := s.owner()
	s.writes(chloe, "Do you ship to Lyon?")
	s.writes(ana, "Hello there")
	p.open("/inbox")
	p.sees(".chat-row", "Hello there")
	p.until("the inbox listens", `document.documentElement.classList.contains("scripted") || customElements.get("chat-list")`)

	p.press("?")
	p.sees("dialog[open] kbd", "/")
	p.press(kb.Escape)
	p.until("the help is closed", `!document.querySelector("dialog[open]")`)
	p.press("/")
	p.until("the search has focus", `document.activeElement.id === "search"`)
	p.write("#search", "Chlo") // over the slash, which the driver types although the page took the key
	p.until("one chat is left", `[...document.querySelectorAll(".chat-row")].filter((e) => e.checkVisibility()).length === 1`)
	p.sees(".chat-row", "Do you ship to Lyon?")
	// On to the list: by tabs, and nothing on the way keeps the focus.
	for i := 0; !read[bool](p, `Boolean(document.activeElement.closest(".chat-row"))`); i++ {
		if i > 30 {
			t.Fatalf("after 30 tabs the focus is on %s", read[string](p, `document.activeElement.outerHTML`))
		}
		p.press(kb.Tab)
	}
	p.press(kb.Enter)
	p.sees(".chat-head h2", "Chloé Martin")
	p.press("w")
	p.until("the composer has focus", `document.activeElement.matches(".composer textarea")`)
	p.write(".composer textarea", "Yes, in three days")
	p.press(kb.Enter)
	s.received(chloe, "Yes, in three days")
	p.sees(".message.out .text", "Yes, in three days")
}
