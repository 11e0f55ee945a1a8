package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/tidelinehq/tideline/client"
)

// pretend runs a server that has one answer to everything, in place of yours.
func pretend(answer string) (c *client.Client, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, answer)
	}))
	c, err := client.New(server.URL, "tla_your_token")
	if err != nil {
		log.Fatal(err)
	}
	return c, func() {
		http.DefaultClient.CloseIdleConnections()
		server.Close()
	}
}

// Lists come in pages of 50.
func ExampleClient_Chats() {
	c, stop := pretend(`{"status":"ok","data":{"has_more_pages":false,"chats":[
		{"id":1000001,"name":"Ada Lovelace","phone":"+14840000001","labels":["parcels"]}]}}`)
	defer stop()

	open := false
	filter := client.ChatFilter{Labels: []string{"parcels", "vip"}, Closed: &open}
	for more := true; more; {
		var chats []client.Chat
		var err error
		filter.Page++
		if chats, more, err = c.Chats(context.Background(), filter); err != nil {
			log.Fatal(err)
		}
		for _, chat := range chats {
			fmt.Println(chat.ID, chat.Name, chat.Labels)
		}
	}
	// Output: 1000001 Ada Lovelace [parcels]
}

// What is not named stays as it is.
func ExampleClient_ChangeChat() {
	c, stop := pretend(`{"status":"ok","data":{"id":1000001,"name":"Ada Lovelace","closed":false,"responsible_email":"bo@example.com"}}`)
	defer stop()

	who := "bo@example.com"
	chat, err := c.ChangeChat(context.Background(), 1000001, client.ChatChange{Responsible: &who})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(chat.Name, "is looked after by", chat.ResponsibleEmail)
	// Output: Ada Lovelace is looked after by bo@example.com
}

// Asking for a webhook again is fine, so a program may do it whenever it starts.
func ExampleClient_CreateWebhook() {
	c, stop := pretend(`{"status":"ok","data":{"id":3,"event_type":"message:received:new","enabled":true,"url":"https://example.com/hook","errors_counter":0}}`)
	defer stop()

	hook, err := c.CreateWebhook(context.Background(), "message:received:new", "https://example.com/hook")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(hook.ID, hook.Enabled)
	// Output: 3 true
}

// A receiver that was away reads what it missed. It keeps the uid of the last
// event that it handled; "" begins with the oldest that the server has.
func ExampleClient_Events() {
	c, stop := pretend(`{"status":"ok","data":{"has_more":false,"events":[
		{"id":7,"event_uid":"0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51","event_type":"message:received:new",
		"timestamp":"2026-11-22 20:30:15 +0000","body":{"event_type":"message:received:new"}}]}}`)
	defer stop()

	last := ""
	for more := true; more; {
		var events []client.Event
		var err error
		if events, more, err = c.Events(context.Background(), last, 500); err != nil {
			log.Fatal(err)
		}
		for _, e := range events {
			fmt.Printf("%s %s\n", e.EventType, e.Body)
			last = e.UID
		}
	}
	fmt.Println("go on after", last)
	// Output:
	// message:received:new {"event_type":"message:received:new"}
	// go on after 0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51
}
