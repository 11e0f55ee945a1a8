package browser

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/wasim"
)

// TestQueueAndUsage lets the owner hold a number back, change what waits, and look
// at what became of it.
func TestQueueAndUsage(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.fast()
	s.quiet(ana)
	p := s.owner()
	p.open("/usage/queue")
	p.sees("main", "Nothing waits")
	p.click(`.lane form[action$="/pause"] button`)
	p.sees(".toast", "Paused")
	p.sees(".lane .badge.warn", "Paused")

	for _, text := range []string{"one", "two", "three"} {
		s.send(client.Message{Phone: ana, Text: text})
	}
	p.sees(".queued", "three") // by itself
	p.sees(".queued .badge.warn", "Its number is paused")
	p.click(`.queued:last-child form[action$="/first"] button`)
	p.until("it is the first", `document.querySelector(".queued .text").textContent === "three"`)
	p.sees(".queued:first-child", "Put first")
	p.click(`.queued:nth-child(2) form[action$="/cancel"] button`)
	p.sees("dialog", "credits come back")
	p.click(`dialog [value="yes"]`)
	p.until("two wait", `document.querySelectorAll(".queued").length === 2`)
	p.click(`.lane form[action$="/resume"] button`)
	s.received(ana, "two")
	p.sees("main", "Nothing waits")

	var got struct{ Messages []wasim.Received }
	s.call(http.MethodGet, "/sandbox/phones/"+ana+"/messages", nil, &got)
	var texts []string
	for _, m := range got.Messages {
		texts = append(texts, m.Text)
	}
	if !slices.Equal(texts, []string{"three", "two"}) {
		t.Errorf("the customer got %q", texts)
	}
	p.open("/usage/ledger")
	p.sees("main td", "It was cancelled")
	p.click(`main a[href^="/inbox/"]`)
	p.until("the chat is open", `location.pathname.startsWith("/inbox/")`)
	p.open("/usage?days=7")
	p.until("today's column", `document.querySelectorAll(".chart .charged").length === 1`)
	p.sees(".key.charged", "3")
	p.sees(".key.refunded", "1")
	p.click("main details summary")
	p.until("the table", `document.querySelectorAll("details tbody tr").length === 7`)
}
