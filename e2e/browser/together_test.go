package browser

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/wasim"
)

// texts gives the texts of the conversation that is shown, in their order.
const texts = `[...document.querySelectorAll(".thread .message .text")].map((e) => e.innerText.trim())`

// openChat opens the inbox with the conversation with a number and waits until it
// follows what happens.
func (p *person) openChat(number string) {
	p.t.Helper()
	var id int64
	eventually(p.t, "there is a chat with "+number, func() (bool, string) {
		id = p.s.chat(number).ID
		return id != 0, "none"
	})
	p.open(fmt.Sprintf("/inbox/%d", id))
	p.until("the conversation is there", `document.querySelector("chat-conversation .composer textarea") && customElements.get("chat-conversation")`)
}

// TestTwoPeopleAtWork lets two members work on one conversation in two browsers:
// what one does, and what the customer does, the other sees without reloading.
func TestTwoPeopleAtWork(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	olga, ben := s.owner(), s.enter("ben", s.member("ben@example.com", "admin"))
	s.writes(ana, "Is the blue bicycle still there?")
	ben.open("/inbox")
	olga.openChat(ana)
	for _, p := range []*person{olga, ben} {
		p.sees(".chat-row", "Is the blue bicycle still there?")
	}
	ben.openChat(ana)
	olga.sees(".message.in .text", "Is the blue bicycle still there?")
	ben.sees(".message.in .text", "Is the blue bicycle still there?")

	// A message arrives at both; an answer is seen by the other, and its ticks.
	s.writes(ana, "I could come today")
	for _, p := range []*person{olga, ben} {
		p.sees(".message.in .text", "I could come today")
	}
	olga.write(".composer textarea", "We are open until eight")
	olga.press(kb.Enter)
	s.received(ana, "We are open until eight")
	for _, p := range []*person{olga, ben} {
		p.until("the answer, read", `[...document.querySelectorAll(".message.out")].some((m) => m.innerText.includes("We are open until eight") && m.querySelector(".tick.read"))`)
		if n := read[int](p, `[...document.querySelectorAll(".message.out .text")].filter((m) => m.innerText.includes("We are open until eight")).length`); n != 1 {
			t.Errorf("%s sees the answer %d times", p.name, n)
		}
	}

	// The customer types; a note and who is responsible are seen by the other.
	s.call(http.MethodPost, "/sandbox/phones/"+ana+"/typing", map[string]string{"to": shop, "state": "composing"}, nil)
	ben.until("Ana is typing", `!document.querySelector("[data-typing]").hidden`)
	olga.click(`[data-do="note"]`)
	olga.write(".composer textarea", "She is a regular")
	olga.press(kb.Enter)
	ben.sees(".message.note .text", "She is a regular")
	olga.click(`[data-do="take"]`)
	ben.until("Olga is responsible", `document.querySelector(".chat-row .badge .clip")?.textContent && document.querySelector(".chat-head [data-line]").innerText.includes(document.querySelector(".chat-row .badge .clip").textContent)`)
	olga.click(`[data-do="panel"]`)
	olga.write("#panel-label", "bicycle")
	olga.press(kb.Enter)
	olga.sees("[data-label]", "bicycle")
	ben.sees(".chat-row .badge.label", "bicycle")

	for _, m := range s.conversation(ana) {
		if m.Text == "She is a regular" && m.MessageType == "whatsapp" {
			t.Error("the note went to the customer")
		}
	}
}

// TestNothingIsMissingAfterACrash kills the server under an open conversation,
// starts it again, and lets the customer and the shop write before the page has
// found its way back.
func TestNothingIsMissingAfterACrash(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	p := s.owner()
	s.writes(ana, "before the crash")
	p.openChat(ana)
	p.sees(".message.in .text", "before the crash")
	p.write(".composer textarea", "half a sentence")
	p.expect("ERR_", "net::", "Failed to fetch", "status of 5", "status 5")
	s.kill()
	p.until("the page says that it waits", `!document.querySelector("#connection").hidden && document.querySelector("#connection").innerText`)
	s.again()
	want := []string{"before the crash"}
	for i := range 3 {
		text := fmt.Sprintf("after the crash %d", i)
		s.writes(ana, text)
		p.sees(".chat-row", text) // one after the other, as they are typed
		want = append(want, text)
	}
	s.send(client.Message{Phone: ana, Text: "from the shop's program"})
	want = append(want, "from the shop's program")
	p.sees(".message.out .text", "from the shop's program")
	if got := read[[]string](p, texts); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the conversation shows %q, want %q", got, want)
	}
	if draft := read[string](p, `document.querySelector(".composer textarea").value`); draft != "half a sentence" {
		t.Errorf("what was being written is now %q", draft)
	}
	p.until("the page says nothing more about it", `document.querySelector("#connection").hidden`)
}

// TestAVoiceNotePlays listens to what a customer has recorded.
func TestAVoiceNotePlays(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.quiet(ana)
	p := s.owner()
	s.sends(ana, wasim.File{Kind: "voice", MIME: "audio/ogg; codecs=opus", Data: melody(s)})
	p.openChat(ana)
	p.click("voice-player button")
	p.until("it plays", `document.querySelector("voice-player audio").currentTime > 0.3 && !document.querySelector("voice-player audio").paused`)
	p.click("voice-player button")
	p.until("it is silent", `document.querySelector("voice-player audio").paused`)
	if at := read[float64](p, `document.querySelector("voice-player audio").duration`); at < 3.5 || at > 4.5 {
		t.Errorf("the voice note has %.1f s, want 4", at)
	}
}

// TestByKeyboardAlone works in the inbox without a mouse.
func TestByKeyboardAlone(t *testing.T) {
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
