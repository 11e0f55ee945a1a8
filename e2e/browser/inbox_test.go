package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// inbox signs somebody in and opens the inbox.
func (p *person) inbox() *person {
	p.t.Helper()
	p.open("/inbox")
	p.until("the inbox works", `document.documentElement.classList.contains("scripted")`)
	return p
}

// chat opens a chat of the list.
func (p *person) chat(name string) {
	p.t.Helper()
	p.until("the chat is in the list", fmt.Sprintf(`[...document.querySelectorAll(".chat-row .name")].some((e) => e.textContent === %s)`, quote(name)))
	read[bool](p, fmt.Sprintf(`([...document.querySelectorAll(".chat-row")].find((e) => e.querySelector(".name").textContent === %s).querySelector("a").click(), true)`, quote(name)))
	p.sees(".chat-head h2", name)
}

// says writes into the composer and sends it with Enter.
func (p *person) says(text string) {
	p.t.Helper()
	p.write(".composer textarea", text)
	p.press("\r")
}

func TestPeopleAnswerInTheInbox(t *testing.T) {
	t.Parallel()
	s := start(t)
	furnish(s)
	owner := s.owner().inbox()
	owner.do("settle", chromedp.Sleep(0))
	owner.chat("Ana Costa")
	owner.screenshot()
}
