package wasim_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim"
)

// An unmodified whatsmeow client is linked to a phone by QR code and writes to a customer, who answers.
func Example() {
	ctx := context.Background()
	srv, err := wasim.Start(ctx, wasim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	shop, _ := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000100", Name: "Shop"})
	ana, _ := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000001", Name: "Ana", AutoReply: "Thanks!"})

	dir, _ := os.MkdirTemp("", "wasim-example")
	defer os.RemoveAll(dir)
	db, _ := sql.Open("sqlite", "file:"+filepath.Join(dir, "client.db")+"?_pragma=foreign_keys(1)")
	defer db.Close()
	db.SetMaxOpenConns(1)
	stores := sqlstore.NewWithDB(db, "sqlite", nil)
	if err = stores.Upgrade(ctx); err != nil {
		log.Fatal(err)
	}

	whatsmeow.WACertPubKey = srv.RootKey()
	cli := whatsmeow.NewClient(stores.NewDevice(), nil)
	hc := srv.HTTPClient()
	cli.SetPreLoginHTTPClient(hc)
	cli.SetWebsocketHTTPClient(hc)
	cli.SetMediaHTTPClient(hc)
	connected, reply := make(chan struct{}), make(chan string)
	cli.AddEventHandler(func(evt any) {
		switch e := evt.(type) {
		case *events.QR:
			go func() { _ = shop.ScanQR(ctx, e.Codes[0]) }() // a failure shows as no connection
		case *events.Connected:
			close(connected)
		case *events.Message:
			if e.Info.Category != "peer" { // what the phone tells its linked devices
				reply <- e.Message.GetConversation()
			}
		}
	})
	if err = cli.Connect(); err != nil {
		log.Fatal(err)
	}
	defer cli.Disconnect()
	<-connected

	to := types.NewJID("14840000001", types.DefaultUserServer)
	if _, err = cli.SendMessage(ctx, to, &waE2E.Message{Conversation: proto.String("Your order is ready.")}); err != nil {
		log.Fatal(err)
	}
	got, err := ana.Await(ctx, func(wasim.Received) bool { return true })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Ana read %q from %s\n", got.Text, got.From)
	fmt.Printf("she answered %q\n", <-reply)
	// Output:
	// Ana read "Your order is ready." from +14840000100
	// she answered "Thanks!"
}

// A fault strikes a number of times, here once, and is then spent.
func ExampleServer_SetFault() {
	ctx := context.Background()
	srv, err := wasim.Start(ctx, wasim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	if _, err = srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000001"}); err != nil {
		log.Fatal(err)
	}
	// The next message to or from this number is refused with error 463.
	f, err := srv.SetFault(wasim.Fault{Kind: wasim.FaultRefuse, Number: "+14840000001", Code: 463, Count: 1})
	fmt.Println(f.Kind, f.Code, err)
	fmt.Println("armed:", len(srv.Faults()))
	srv.ClearFaults()
	fmt.Println("armed:", len(srv.Faults()))
	// Output:
	// refuse 463 <nil>
	// armed: 1
	// armed: 0
}

// Phones write to each other, too; only companions need a connection for it.
func ExamplePhone_Send() {
	ctx := context.Background()
	srv, err := wasim.Start(ctx, wasim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	ana, _ := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000001", Name: "Ana"})
	bruno, _ := srv.AddPhone(ctx, wasim.PhoneOptions{Number: "+14840000002", Name: "Bruno"})
	if _, err = ana.Send(ctx, bruno.Number(), "Lunch?"); err != nil {
		log.Fatal(err)
	}
	messages, err := bruno.Messages()
	fmt.Println(len(messages), messages[0].From, messages[0].Text, err)
	// Output:
	// 1 +14840000001 Lunch? <nil>
}

// Phones can do without any client, for instance to set a scene.
func ExamplePhone_CreateGroup() {
	ctx := context.Background()
	srv, err := wasim.Start(ctx, wasim.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	var phones []*wasim.Phone
	for _, o := range []wasim.PhoneOptions{
		{Number: "+14840000001", Name: "Ana"}, {Number: "+14840000002", Name: "Ben"}, {Number: "+14840000003", Name: "Chloé"},
	} {
		p, err := srv.AddPhone(ctx, o)
		if err != nil {
			log.Fatal(err)
		}
		phones = append(phones, p)
	}
	group, err := phones[0].CreateGroup(ctx, "Launch", "+14840000002", "+14840000003")
	if err != nil {
		log.Fatal(err)
	}
	if _, err = phones[1].Send(ctx, group.String(), "When do we start?"); err != nil {
		log.Fatal(err)
	}
	m, err := phones[2].Await(ctx, func(m wasim.Received) bool { return m.Group == group.String() })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s wrote %q in %s\n", m.From, m.Text, srv.Groups()[0].Subject)
	// Output: +14840000002 wrote "When do we start?" in Launch
}
