package e2e

import (
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/client"
)

// listed is what tideline queue list prints.
type listed struct {
	Messages []struct {
		UID    string `json:"message_uid"`
		Why    string `json:"why"`
		Before int    `json:"messages_before"`
		First  bool   `json:"first"`
	} `json:"messages"`
}

func (l listed) uids() string {
	var all []string
	for _, m := range l.Messages {
		all = append(all, m.UID)
	}
	return strings.Join(all, " ")
}

// TestTheQueueIsChangedBesideAServerAndWithoutOne pauses a number while the server
// runs, changes what waits with the server stopped, and lets the next one send.
func TestTheQueueIsChangedBesideAServerAndWithoutOne(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		s.must(t, "workspace", "set", "--gap", "0s-0s")
		s.must(t, "queue", "pause", accountNumber)
		var uids []string
		for _, text := range []string{"one", "two", "three", "four"} {
			uids = append(uids, srv.send(t, client.Message{Phone: ana, Text: text}))
		}
		got := query[listed](t, s, "queue", "list")
		if got.uids() != strings.Join(uids, " ") || got.Messages[3].Why != "paused" || got.Messages[3].Before != 3 {
			t.Fatalf("queued: %+v", got)
		}
		s.must(t, "queue", "cancel", uids[0])
		s.must(t, "queue", "first", uids[3])
		if r := s.run(t, "queue", "cancel", uids[0]); r.code == 0 || !strings.Contains(r.notes, "does not wait") {
			t.Errorf("second cancel: %d %s", r.code, r.notes)
		}
		srv.stop(t)

		s.must(t, "queue", "first", uids[2])
		if got := query[listed](t, s, "queue", "list"); got.uids() != strings.Join([]string{uids[2], uids[3], uids[1]}, " ") {
			t.Errorf("queued without a server: %+v", got)
		}
		s.must(t, "queue", "cancel", uids[1])
		s.must(t, "queue", "resume", accountNumber)
		srv = s.start(t)
		srv.awaitText(t, ana, "four")
		all, err := srv.received(t.Context(), ana)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, m := range all {
			texts = append(texts, m.Text)
		}
		if strings.Join(texts, " ") != "three four" {
			t.Errorf("the customer got %q", texts)
		}
		if got := query[[]struct{ Queued int }](t, s, "queue"); len(got) != 1 || got[0].Queued != 0 {
			t.Errorf("tideline queue: %+v", got)
		}
		srv.stop(t)
		s.healthy(t)
	})
}
