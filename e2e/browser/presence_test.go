package browser

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/tidelinehq/tideline/wasim"
)

// TestTheCustomerSeesThatSomebodyIsThere opens a conversation and begins to answer:
// the customer's phone shows blue ticks, and that the shop is typing. A chat that
// nobody opened stays unread.
func TestTheCustomerSeesThatSomebodyIsThere(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.quiet(ana)
	s.quiet(chloe)
	p := s.owner()
	s.writes(chloe, "is anybody there?")
	s.writes(ana, "first")
	p.openChat(ana)
	s.isRead(ana, "the first message", 1)
	s.writes(ana, "second, while the chat is open")
	s.isRead(ana, "what came while the chat was open", 2)

	p.click(".composer textarea")
	p.press("On my way")
	s.didToward(ana, "composing")
	p.press("\r")
	s.received(ana, "On my way")
	s.didToward(ana, "paused")
	if n := s.read(chloe); n != 0 {
		t.Errorf("%d messages of a chat that nobody opened are read", n)
	}
}

// read counts the messages of a phone that the shop has marked as read.
func (s *server) read(number string) int {
	s.t.Helper()
	var got struct{ Receipts []wasim.Receipt }
	s.call(http.MethodGet, "/sandbox/phones/"+number+"/receipts", nil, &got)
	ids := make(map[string]bool)
	for _, r := range got.Receipts {
		if r.Type == "read" && r.From == shop {
			ids[r.MessageID] = true
		}
	}
	return len(ids)
}

// isRead waits until the shop has marked n messages of a phone as read.
func (s *server) isRead(number, what string, n int) {
	s.t.Helper()
	eventually(s.t, what+" is read", func() (bool, string) {
		now := s.read(number)
		return now == n, fmt.Sprintf("%d read", now)
	})
}

// didToward waits until a phone saw the shop do something.
func (s *server) didToward(number, kind string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%s sees the shop %s", number, kind), func() (bool, string) {
		var got struct{ Activities []wasim.Activity }
		s.call(http.MethodGet, "/sandbox/phones/"+number+"/activities", nil, &got)
		return slices.ContainsFunc(got.Activities, func(a wasim.Activity) bool { return a.From == shop && a.Kind == kind }), fmt.Sprint(got.Activities)
	})
}
