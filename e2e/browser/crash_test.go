package browser

import (
	"fmt"
	"testing"

	"github.com/tidelinehq/tideline/client"
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
