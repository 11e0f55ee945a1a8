package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/internal/voice/voicetest"
	"github.com/tidelinehq/tideline/wasim"
)

// inbox opens the inbox and waits until its script works.
func (p *person) inbox() *person {
	p.t.Helper()
	p.open("/inbox")
	p.until("the inbox works", `document.documentElement.classList.contains("scripted")`)
	return p
}

// row is JavaScript for the row of a chat in the list, undefined while it is not there.
func row(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".chat-row")].find((e) => e.querySelector(".name").textContent === %s)`, quote(name))
}

// chat opens a chat of the list.
func (p *person) chat(name string) {
	p.t.Helper()
	p.until("the chat is in the list", row(name))
	read[bool](p, `(`+row(name)+`.querySelector("a").click(), true)`)
	p.sees(".chat-head h2", name)
}

// says writes into the composer and sends it with Enter.
func (p *person) says(text string) {
	p.t.Helper()
	p.click(".composer textarea")
	p.press(text + kb.Enter)
}

// bubble is JavaScript for the bubble with a text, undefined while it is not there.
func bubble(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".thread .message:not(.optimistic)")].find((e) => e.innerText.includes(%s))`, quote(text))
}

// act clicks a button of the bubble with a text.
func (p *person) act(text, button string) {
	p.t.Helper()
	p.until("there is "+button, bubble(text)+`?.querySelector('`+button+`')`)
	read[bool](p, `(`+bubble(text)+`.querySelector('`+button+`').click(), true)`)
}

func TestTwoPeopleWorkInOneInbox(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	s.quiet(chloe)
	owner := s.owner().inbox()
	mia := s.enter("Mia", s.member("mia@example.com", "admin")).inbox()
	owner.sees(".chat-list .empty", "All quiet")

	// What a customer writes appears for both, and in the other's tab too.
	s.writes(ana, "Is the blue bicycle still there?")
	s.writes(chloe, "Bonjour!")
	for _, p := range []*person{owner, mia} {
		p.sees(".chat-row", "Is the blue bicycle still there?")
		p.sees(".chat-row", "Bonjour!")
		p.chat("Ana Costa")
		p.sees(".thread .message.in", "Is the blue bicycle still there?")
	}
	owner.until("it is read by both", `document.querySelector('[data-tally="unread"]').textContent === "1"`)

	// An answer, its ticks, and a reply that leads to what it answers.
	owner.says("Yes, it is https://bikes.example/blue.")
	mia.sees(".thread .message.out", "Yes, it is https://bikes.example/blue.")
	s.received(ana, "Yes, it is https://bikes.example/blue.")
	owner.until("the ticks are those of a read message", bubble("Yes, it is")+`?.querySelector(".tick.read")`)
	owner.until("once", `document.querySelectorAll(".thread .message.out").length === 1`)
	mia.until("the address is a link", bubble("Yes, it is")+`.querySelector('a[href="https://bikes.example/blue"]')`)
	mia.act("blue bicycle still", `[data-do="reply"]`)
	mia.sees(".reply-bar", "Is the blue bicycle still there?")
	mia.says("Shall we keep it?")
	owner.until("the answer quotes", bubble("Shall we keep it?")+`?.querySelector(".quote")?.innerText.includes("blue bicycle")`)

	// A reaction, from the row of quick ones.
	mia.act("blue bicycle still", `[data-do="react"]`)
	mia.click(`.quick-row .emoji`)
	owner.until("the reaction is there", bubble("blue bicycle still")+`?.querySelector(".reaction")`)

	// A note is the team's.
	owner.press(kb.Escape)
	owner.press("n")
	owner.says("Ana always pays cash")
	mia.sees(".thread .message.note", "Ana always pays cash")

	// Labels, responsible, closed: what one does, the other sees.
	owner.click(`[data-do="panel"]`)
	owner.write("#panel-label", "vip")
	owner.press(kb.Enter)
	mia.sees(".chat-row .badge.label", "vip")
	mia.click(`.chat-head [data-do="take"]`)
	owner.until("Mia is responsible", `document.querySelector("[data-assignee]")?.value === "mia@example.com"`)
	owner.sees(".chat-head [data-line]", "Assigned to")
	mia.click(`[data-quick="mine"]`)
	mia.until("one is hers", `document.querySelectorAll(".chat-row").length === 1`)
	mia.click(`.chat-head [data-close-form] button`)
	owner.until("the closed chat leaves the list", `!`+row("Ana Costa"))
	mia.sees(".chat-list .empty", "No chat fits")
	for _, got := range []wasim.Received{s.received(ana, "Shall we keep it?")} {
		if got.Text == "Ana always pays cash" {
			t.Error("a note went to a customer")
		}
	}
}

func TestNothingIsMissingAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	s.writes(ana, "first")
	p := s.owner().inbox()
	p.chat("Ana Costa")
	p.sees(".thread .message", "first")
	p.expect("ERR_CONNECTION", "net::", "Failed to fetch", "/live", "status 502")
	s.kill()
	// Written while there is nobody to send it: it goes when the server is back, once.
	p.says("written while it was down")
	p.sees(".thread .optimistic", "written while it was down")
	s.again()
	s.writes(ana, "second")
	p.sees(".thread .message.in", "second")
	p.until("it was sent or can be tried again", `document.querySelector(".optimistic .refused:not([hidden]) button, .message.out:not(.optimistic)")`)
	read[bool](p, `(document.querySelector('.optimistic .refused:not([hidden]) [data-do="retry"]')?.click(), true)`)
	s.received(ana, "written while it was down")
	p.until("it is there once", `document.querySelectorAll(".thread .message.out").length === 1 && !document.querySelector(".optimistic")`)
}

func TestAVoiceNoteAndFilesInTheInbox(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	s.sends(ana, wasim.File{Kind: "voice", MIME: "audio/ogg; codecs=opus", Data: voicetest.Opus(4 * time.Second)})
	s.sends(ana, wasim.File{Kind: "image", MIME: "image/png", Caption: "This one", Data: bicycle(s)})
	p := s.owner().inbox()
	p.chat("Ana Costa")
	p.until("the player is there", `document.querySelector("voice-player input[type=range]")`)
	p.click(`voice-player > button`)
	p.until("the voice note plays", `document.querySelector("voice-player audio").currentTime > 0.2`)

	p.click(`.picture`)
	p.until("the picture is shown large", `document.querySelector("#lightbox[open] img").naturalWidth > 0`)
	p.press(kb.Escape)
	p.until("and small again", `!document.querySelector("#lightbox[open]")`)

	// A file that is pasted, with a text that goes with it.
	read[bool](p, `(() => {
		const data = new DataTransfer();
		data.items.add(new File(["a,b\n1,2\n"], "prices.csv", {type: "text/csv"}));
		document.querySelector(".composer textarea").dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
		return true;
	})()`)
	p.sees(".tray .upload", "prices.csv")
	p.says("Our prices")
	p.sees(".thread .message.out:not(.optimistic) .document", "prices.csv")
	s.received(ana, "Our prices")

	// A recording by the browser's microphone: one that is thrown away, one that is sent.
	for _, button := range []string{"record-drop", "record-send"} {
		p.click(`[data-do="record"]`)
		p.until("it records", `!document.querySelector(".recording").hidden && document.querySelector(".recording [data-clock]").textContent >= "0:02"`)
		p.click(`[data-do="` + button + `"]`)
		p.until("it does not record", `document.querySelector(".recording").hidden`)
	}
	p.until("the recording is a voice note", `document.querySelectorAll(".thread .message.out:not(.optimistic) voice-player").length === 1 && !document.querySelector(".optimistic")`)
	p.until("and was sent", `document.querySelector(".message.out:last-child .tick:is(.sent, .delivered, .read)")`)
}

func TestTheInboxByKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	s.quiet(chloe)
	s.writes(chloe, "Bonjour")
	s.writes(ana, "Hello")
	p := s.owner().inbox()
	p.until("both wrote", row("Ana Costa")+` && `+row("Chloé Martin"))
	p.press("j")
	p.until("a chat is open", `document.querySelector("chat-conversation") && location.pathname.startsWith("/inbox/")`)
	first := read[string](p, `document.querySelector(".chat-head h2").textContent`)
	p.press("j")
	p.until("the next one is open", `document.querySelector(".chat-head h2").textContent !== `+quote(first))
	p.press("k")
	p.until("the first one is open again", `document.querySelector(".chat-head h2").textContent === `+quote(first))
	for _, l := range []look{{"tablet", 800, 740, "light"}, looks[2], looks[0]} {
		p.wear(l)
		p.press("i")
		p.until("the side panel is in sight on a "+l.name, `(() => {
			const pane = document.querySelector("#side-pane"), at = pane.getBoundingClientRect();
			return at.height > innerHeight / 2 && pane.contains(document.elementFromPoint(at.left + at.width / 2, at.top + 20));
		})()`)
		p.press("i")
		p.until("it is gone", `document.querySelector("#side-pane").hidden`)
	}
	p.press("w")
	p.until("one can write", `document.activeElement.matches(".composer textarea")`)
	p.press("Written by hand" + kb.Enter)
	p.sees(".thread .message.out", "Written by hand")
	p.press(kb.Escape)
	p.press("a")
	p.sees(".chat-head [data-line]", "Assigned to")
	p.press("u")
	p.sees("#toasts", "Marked unread")
	p.press("/")
	p.until("one can search", `document.activeElement.id === "search"`)
	read[bool](p, `(document.getElementById("search").value = "", true)`) // a browser that is driven types the slash too
	p.press("chlo")
	p.until("one chat is found", `document.querySelectorAll(".chat-row").length === 1`)
	p.press(kb.Tab)
	p.press("?")
	p.sees("dialog[open] dl", "Assign the chat to me")
}

func TestOlderMessagesLoadWithoutAJump(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	for i := range 130 {
		s.send(client.Message{Phone: ana, Text: fmt.Sprintf("message %03d", i)})
	}
	s.received(ana, "message 129")
	p := s.owner().inbox()
	p.click(".chat-row a") // of somebody whose name nobody knows yet
	p.until("the last one is in sight", bubble("message 129")+`?.getBoundingClientRect().bottom <= innerHeight`)
	read[bool](p, `(document.querySelector(".scroller").scrollTop = 300, true)`)
	p.until("older ones were loaded", bubble("message 060"))
	// The place that was looked at is where it was: not at the top.
	p.until("it did not jump", `document.querySelector(".scroller").scrollTop > 600 || `+bubble("message 000"))
	p.until("all are there, in order and once", `(() => {
		document.querySelector(".scroller").scrollTop = 100; // as who keeps scrolling up
		const all = [...document.querySelectorAll(".thread .message .text")].map((e) => e.textContent);
		return all.length === 130 && all.every((text, i) => text === "message " + String(i).padStart(3, "0"));
	})()`)
	s.writes(ana, "news")
	p.sees(".pill.has-news", "1 new message")
	p.click(".pill")
	p.until("the news is in sight", bubble("news")+`?.getBoundingClientRect().bottom <= innerHeight`)
}
