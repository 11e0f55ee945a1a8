package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
)

// apiCall makes a call of the public API with the site's token.
func (s *server) apiCall(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, s.URL+"/integrations/api"+path, &body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	r.Header.Set("Content-Type", "application/json")
	res, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, data)
	}
	return json.Unmarshal(data, out)
}

// shownMessage is a message in the list of a chat, as far as tests look at it.
type shownMessage struct {
	UID    string
	Text   string
	FromMe bool   `json:"from_me"`
	Sender string `json:"sender_phone"`
	Origin string
	Data   map[string]string
}

// conversation gives the chat with a number and its messages, the latest first.
func (s *server) conversation(ctx context.Context, number string) (chatID int64, messages []shownMessage, err error) {
	var chats struct {
		Data struct{ Chats []struct{ ID int64 } }
	}
	if err := s.apiCall(ctx, http.MethodGet, "/chats?whatsapp_phone="+number[1:], nil, &chats); err != nil {
		return 0, nil, err
	}
	if len(chats.Data.Chats) != 1 {
		return 0, nil, fmt.Errorf("%d chats with %s", len(chats.Data.Chats), number)
	}
	chatID = chats.Data.Chats[0].ID
	for page := 1; ; page++ {
		var list struct {
			Data struct {
				More     bool `json:"has_more_pages"`
				Messages []shownMessage
			}
		}
		if err := s.apiCall(ctx, http.MethodGet, fmt.Sprintf("/chats/%d/messages?page=%d", chatID, page), nil, &list); err != nil {
			return 0, nil, err
		}
		messages = append(messages, list.Data.Messages...)
		if !list.Data.More {
			return chatID, messages, nil
		}
	}
}

// awaitShown waits until the chat with a number shows a text.
func (s *server) awaitShown(t *testing.T, number, text string) (chatID int64, found shownMessage) {
	t.Helper()
	eventually(t, fmt.Sprintf("the chat with %s shows %q", number, text), func(ctx context.Context) (bool, string) {
		id, messages, err := s.conversation(ctx, number)
		if err != nil {
			return false, err.Error()
		}
		i := slices.IndexFunc(messages, func(m shownMessage) bool { return m.Text == text })
		if i >= 0 {
			chatID, found = id, messages[i]
		}
		return i >= 0, fmt.Sprintf("%d messages", len(messages))
	})
	return chatID, found
}

// says has a phone send a text to the site's account.
func (s *server) says(ctx context.Context, number, text string) error {
	return s.call(ctx, http.MethodPost, "/sandbox/phones/"+number+"/messages", map[string]string{"to": accountNumber, "text": text}, nil)
}

// TestACustomerWritesAndIsAnswered is a conversation: a stranger writes, appears
// as a chat, and gets an answer that quotes the question, and a reaction.
func TestACustomerWritesAndIsAnswered(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, s site) {
		srv := s.start(t)
		const stranger = "+14840000077"
		srv.addPhone(t, stranger)
		if err := srv.says(t.Context(), stranger, "Are you open? ☕"); err != nil {
			t.Fatal(err)
		}
		chatID, asked := srv.awaitShown(t, stranger, "Are you open? ☕")
		if asked.FromMe || asked.Sender != stranger || asked.Origin != "synced from WhatsApp" {
			t.Errorf("shown as %+v", asked)
		}
		var answer struct{}
		err := srv.apiCall(t.Context(), http.MethodPost, fmt.Sprintf("/chats/%d/messages", chatID), map[string]string{"text": "Until six!", "reply_to": asked.UID}, &answer)
		if err != nil {
			t.Fatal(err)
		}
		if got := srv.awaitText(t, stranger, "Until six!"); got.Target == "" {
			t.Errorf("the phone shows %+v, which answers nothing", got)
		}
		if err := srv.apiCall(t.Context(), http.MethodPatch, "/messages/"+asked.UID+"/reactions", map[string]string{"reaction": "👍"}, &answer); err != nil {
			t.Fatal(err)
		}
		srv.awaitText(t, stranger, "👍")
		srv.stop(t)
		s.healthy(t)
	})
}

// TestPromise6InboundOutlivesAKill kills the server while customers write. What
// the network took is shown afterwards, once.
func TestPromise6InboundOutlivesAKill(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	srv := s.start(t)
	const customer = "+14840000078"
	srv.addPhone(t, customer)
	var want []string
	for round := range 4 {
		for i := range 15 {
			text := fmt.Sprintf("round %d, message %d", round, i)
			if err := srv.says(t.Context(), customer, text); err != nil {
				t.Fatal(err)
			}
			want = append(want, text)
		}
		if err := srv.Kill(); err != nil {
			t.Fatal(err)
		}
		srv = s.start(t)
	}
	for _, text := range want {
		srv.awaitShown(t, customer, text)
	}
	_, messages, err := srv.conversation(t.Context(), customer)
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) != len(want) {
		t.Errorf("%d messages are shown, want %d", len(messages), len(want))
	}
	srv.stop(t)
}
