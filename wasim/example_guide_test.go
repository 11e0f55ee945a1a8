package wasim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/wasim"
)

// With a folder, a network is the same after a restart, however it ended.
func ExampleOptions_folder() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "wasim-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	srv, err := wasim.Start(ctx, wasim.Options{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	ana, _ := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000001", Name: "Ana"})
	_, _ = srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000002", Name: "Bruno"})
	if _, err = ana.Send(ctx, "+14840000002", "See you tomorrow"); err != nil {
		log.Fatal(err)
	}
	key := srv.RootKey()
	if err = srv.Close(); err != nil {
		log.Fatal(err)
	}

	again, err := wasim.Start(ctx, wasim.Options{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer again.Close()
	bruno, _ := again.Phone("+14840000002")
	messages, err := bruno.Messages()
	fmt.Println(messages[0].Text, err)
	fmt.Println("same key:", again.RootKey() == key)
	// Output:
	// See you tomorrow <nil>
	// same key: true
}

// A month of silence passes at once.
func ExampleServer_AdvanceClock() {
	ctx := context.Background()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	srv, err := wasim.Start(ctx, wasim.Options{Now: func() time.Time { return start }})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	ana, _ := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000001"})
	bruno, _ := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000002"})
	_, _ = ana.Send(ctx, bruno.Number(), "See you")
	srv.AdvanceClock(30 * 24 * time.Hour)
	_, _ = ana.Send(ctx, bruno.Number(), "I'm back")
	messages, err := bruno.Messages()
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range messages {
		fmt.Println(m.Timestamp.Format(time.DateOnly), m.Text)
	}
	// Output:
	// 2026-01-02 See you
	// 2026-02-01 I'm back
}

// A program in any language sets scenes and faults over HTTP.
func ExampleControl() {
	srv, err := wasim.Start(context.Background(), wasim.Options{Control: true})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	post := func(path, body string) {
		resp, err := http.Post(srv.Network().Control+path, "application/json", strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		fmt.Println(path, resp.StatusCode)
	}
	post("phones", `{"number": "+14840000001", "name": "Ana", "auto_reply": "Thanks!"}`)
	post("phones", `{"number": "+14840000002", "name": "Bruno"}`)
	post("phones/+14840000002/messages", `{"to": "+14840000001", "text": "Lunch?"}`)
	post("faults", `{"kind": "drop_ack", "number": "+14840000001", "count": 1}`)
	post("faults", `{"kind": "drop_everything"}`)
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// phones 200
	// phones 200
	// phones/+14840000002/messages 200
	// faults 200
	// faults 400
}

// Faults are written in JSON as they are in Go.
func ExampleFault() {
	var f wasim.Fault
	err := json.Unmarshal([]byte(`{"kind": "delay_down", "number": "+14840000100", "delay": "80ms", "jitter": "20ms"}`), &f)
	fmt.Println(f.Kind, f.Number, f.Delay, f.Jitter, err)
	text, _ := json.Marshal(wasim.Fault{Kind: wasim.FaultRefuseUpload, Code: 503, FirstHost: true})
	fmt.Println(string(text))
	// Output:
	// delay_down +14840000100 80ms 20ms <nil>
	// {"kind":"refuse_upload","code":503,"first_host":true}
}
