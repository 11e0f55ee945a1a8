package wasim_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/wasim"
	"github.com/tidelinehq/tideline/wasim/wasimtest"
)

// pairOfPhones adds two phones that write to each other without any client.
func pairOfPhones(t *testing.T, opts wasim.Options) (srv *wasim.Server, ana, ben *wasim.Phone) {
	t.Helper()
	srv = wasimtest.Start(t, opts)
	ana = wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000001", Name: "Ana"})
	ben = wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000002", Name: "Ben"})
	return srv, ana, ben
}

// awaitKind waits for a message of a kind on a phone.
func awaitKind(t *testing.T, p *wasim.Phone, kind string, after int64) wasim.Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m, err := p.Await(ctx, func(m wasim.Received) bool { return m.Kind == kind && m.Seq > after })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAPhoneAnswersWhatItShows(t *testing.T) {
	t.Parallel()
	_, ana, ben := pairOfPhones(t, wasim.Options{})
	ctx := t.Context()
	id, err := ana.Send(ctx, ben.Number(), "Is it open?")
	if err != nil {
		t.Fatal(err)
	}
	asked := awaitKind(t, ben, "text", 0)
	answer, err := ben.Reply(ctx, asked.ID, "Until eight")
	if err != nil {
		t.Fatal(err)
	}
	if got := awaitKind(t, ana, "text", 0); got.Text != "Until eight" || got.Target != id || got.TargetFrom != ana.Number() {
		t.Errorf("the answer is %+v, want one to %s", got, id)
	}
	if err := ben.React(ctx, id, "👍"); err != nil {
		t.Fatal(err)
	}
	first := awaitKind(t, ana, "reaction", 0)
	if first.Text != "👍" || first.Target != id {
		t.Errorf("the reaction is %+v", first)
	}
	if err := ben.React(ctx, id, ""); err != nil {
		t.Fatal(err)
	}
	if got := awaitKind(t, ana, "reaction", first.Seq); got.Text != "" || got.Target != id {
		t.Errorf("the reaction is taken back by %+v", got)
	}
	if err := ben.Edit(ctx, answer, "Until nine"); err != nil {
		t.Fatal(err)
	}
	if got := awaitKind(t, ana, "edit", 0); got.Text != "Until nine" || got.Target != answer {
		t.Errorf("the edit is %+v", got)
	}
	if err := ben.Delete(ctx, answer); err != nil {
		t.Fatal(err)
	}
	if got := awaitKind(t, ana, "revoke", 0); got.Target != answer {
		t.Errorf("the deletion is %+v", got)
	}
	for what, err := range map[string]error{"edit": ben.Edit(ctx, id, "mine"), "delete": ben.Delete(ctx, id)} {
		if !errors.Is(err, wasim.ErrNotOwn) {
			t.Errorf("%s somebody else's message: %v, want ErrNotOwn", what, err)
		}
	}
	if err := ben.React(ctx, "3AUNKNOWN", "👍"); !errors.Is(err, wasim.ErrNoMessage) {
		t.Errorf("react to nothing: %v, want ErrNoMessage", err)
	}
	var kinds []string
	for _, m := range ben.Sent() {
		if m.To != ana.Number() {
			t.Errorf("sent %+v", m)
		}
		kinds = append(kinds, m.Kind)
	}
	if want := []string{"text", "reaction", "reaction", "edit", "revoke"}; len(kinds) != len(want) || kinds[4] != "revoke" {
		t.Errorf("Ben's phone says that it sent %v, want %v", kinds, want)
	}
}

func TestAPhoneReactsInAGroup(t *testing.T) {
	t.Parallel()
	_, ana, ben := pairOfPhones(t, wasim.Options{})
	group, err := ana.CreateGroup(t.Context(), "Launch", ben.Number())
	if err != nil {
		t.Fatal(err)
	}
	id, err := ana.Send(t.Context(), group.String(), "hello all")
	if err != nil {
		t.Fatal(err)
	}
	awaitKind(t, ben, "text", 0)
	if err := ben.React(t.Context(), id, "🎉"); err != nil {
		t.Fatal(err)
	}
	if got := awaitKind(t, ana, "reaction", 0); got.Group != group.String() || got.Target != id {
		t.Errorf("the reaction is %+v", got)
	}
}

func TestAFileIsOpenedAgainOnBothPhonesAndAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := bytes.Repeat([]byte("voice"), 1000)
	srv, err := wasim.Start(t.Context(), wasim.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ana := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000001"})
	ben := wasimtest.AddPhone(t, srv, wasim.PhoneOptions{Number: "+14840000002"})
	id, err := ana.SendFile(t.Context(), ben.Number(), wasim.File{Kind: "voice", MIME: "audio/ogg; codecs=opus", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	awaitKind(t, ben, "media", 0)
	if m := ana.Sent(); len(m) != 1 || m[0].Media == nil || m[0].Media.Kind != "voice" || m[0].Media.Size != int64(len(data)) {
		t.Errorf("sent %+v", m)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	again := wasimtest.Start(t, wasim.Options{Dir: dir})
	for _, number := range []string{"+14840000001", "+14840000002"} {
		p, ok := again.Phone(number)
		if !ok {
			t.Fatalf("%s is gone", number)
		}
		got, mime, err := p.OpenFile(id)
		if err != nil || !bytes.Equal(got, data) || mime != "audio/ogg; codecs=opus" {
			t.Errorf("%s opens %d bytes of %q: %v", number, len(got), mime, err)
		}
		if _, err := again.SetFault(wasim.Fault{Kind: wasim.FaultRefuseDownload, Count: 1}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.OpenFile(id); err == nil {
			t.Errorf("%s opens a file that the network refuses", number)
		}
	}
}

func TestWhoeverWatchesHearsOfEveryKindOfChange(t *testing.T) {
	t.Parallel()
	srv, ana, ben := pairOfPhones(t, wasim.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for what, change := range map[string]func(){
		"a message": func() { _, err := ana.Send(t.Context(), ben.Number(), "hi"); must(err) },
		"a fault":   func() { _, err := srv.SetFault(wasim.Fault{Kind: wasim.FaultDropAck}); must(err) },
		"no faults": func() { srv.ClearFaults() },
		"a phone":   func() { _, err := srv.AddPhone(t.Context(), wasim.PhoneOptions{Number: "+14840000003"}); must(err) },
		"a group":   func() { _, err := ana.CreateGroup(t.Context(), "Two", ben.Number()); must(err) },
		"online":    func() { ana.SetOnline(true) },
		"a fault struck": func() {
			_, err := srv.SetFault(wasim.Fault{Kind: wasim.FaultRefuseDownload, Count: 1})
			must(err)
			_, err = ana.SendFile(t.Context(), ben.Number(), wasim.File{Kind: "image", MIME: "image/png", Data: []byte("x")})
			must(err)
		},
	} {
		before, next := srv.Changes()
		change()
		select {
		case <-next:
		default:
			t.Errorf("%s: the channel is still open", what)
		}
		if after, _ := srv.Changes(); after == before {
			t.Errorf("%s: the count is still %d", what, after)
		}
	}
	if !ana.Online() || ben.Online() {
		t.Error("Ana alone is online")
	}
}
