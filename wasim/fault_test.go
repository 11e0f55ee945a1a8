package wasim_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

func TestABanLastsAsLongAsItsFaultSays(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	for _, want := range []time.Duration{90 * time.Minute, 24 * time.Hour} {
		c.Disconnect()
		f := wasim.Fault{Kind: wasim.FaultRefuseLogin, Code: 402, Count: 1}
		if want != 24*time.Hour { // what it is when nothing is said
			f.Delay = want
		}
		fault(t, srv, f)
		mark := c.mark()
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		if e := event[*events.TemporaryBan](c, mark, nil); e.Expire != want {
			t.Errorf("banned for %s, want %s", e.Expire, want)
		}
	}
}

func TestStreamErrorsEndTheConnection(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	mark := c.mark()
	fault(t, srv, wasim.Fault{Kind: wasim.FaultStreamError, Number: business, Code: 516})
	if e := event[*events.StreamError](c, mark, nil); e.Code != "516" {
		t.Errorf("stream error %q", e.Code)
	}
	event[*events.Connected](c, mark, nil) // the client comes back by itself
	mark = c.mark()
	fault(t, srv, wasim.Fault{Kind: wasim.FaultStreamError, Number: business, Code: 515})
	event[*events.Connected](c, mark, nil)
}

func TestAHalfOpenConnectionSwallowsWhatIsSent(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	c.sendText(ana, "warm up")
	settle(t, c)
	fault(t, srv, wasim.Fault{Kind: wasim.FaultHalfOpen, Number: business})
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "into the void"); err != nil {
		t.Fatal(err)
	}
	if ok, _ := c.DangerousInternals().SendKeepAlive(t.Context()); ok {
		t.Error("the ping was answered")
	}
	if !c.IsConnected() || len(phone(t, srv, business).Companions()) != 1 || !phone(t, srv, business).Companions()[0].Connected {
		t.Error("one side noticed: that is not half open")
	}
	mark := c.mark()
	c.ResetConnection() // what a client does that had no answer
	event[*events.Connected](c, mark, nil)
	c.text(0, "into the void")
	c.sendText(ana, "back")
	await(t, phone(t, srv, ana), hasText("back"))
}

func TestAPhoneThatLostItsSessionsReadsEverythingOnce(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{Dir: t.TempDir()})
	c := paired(t, srv, business)
	c.sendText(ana, "before")
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "answered"); err != nil { // so that no message carries keys any more
		t.Fatal(err)
	}
	c.text(0, "answered")
	c.sendText(ana, "under the session of both")
	fault(t, srv, wasim.Fault{Kind: wasim.FaultLoseSessions, Number: ana})
	sent := c.sendText(ana, "after")
	if r := await(t, phone(t, srv, ana), hasText("after")); r.ID != sent.ID || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
	if srv.Stats().Retries == 0 {
		t.Error("it was not asked for again; the fault did nothing")
	}
	// The other way round, and to the own phone's copy.
	fault(t, srv, wasim.Fault{Kind: wasim.FaultLoseSessions})
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "from a new session"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "from a new session")
	c.sendText(ana, "last")
	await(t, phone(t, srv, ana), hasText("last"))
	await(t, phone(t, srv, business), hasText("last"))
}

func TestAContactMovesToANewPhone(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c, theirs := paired(t, srv, business), paired(t, srv, ana)
	c.sendText(ana, "before")
	theirs.text(0, "before")
	for _, from := range []string{ana, bruno} {
		if _, err := phone(t, srv, from).Send(timeout(t), business, "hello from "+from); err != nil {
			t.Fatal(err)
		}
		c.text(0, "hello from "+from)
	}
	mark := c.mark()
	fault(t, srv, wasim.Fault{Kind: wasim.FaultNewPhone, Number: ana})
	if e := event[*events.IdentityChange](c, mark, nil); e.JID != phone(t, srv, ana).LID() && e.JID != jid(ana) || e.Implicit {
		t.Errorf("%+v", e)
	}
	event[*events.LoggedOut](theirs, 0, nil)
	sent := c.sendText(ana, "to the new phone")
	if r := await(t, phone(t, srv, ana), hasText("to the new phone")); r.ID != sent.ID || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "from the new phone"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "from the new phone")
	// New clients are linked under the new keys.
	again := paired(t, srv, ana)
	again.sendText(business, "and a new client")
	c.text(0, "and a new client")
}

func TestClientsUploadKeysWhenTheyRunOut(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	settle(t, c)
	c.Disconnect()
	fault(t, srv, wasim.Fault{Kind: wasim.FaultLoseKeys, Number: business})
	// A session that begins now does without a one-time key.
	if _, err := phone(t, srv, bruno).Send(timeout(t), business, "hello stranger"); err != nil {
		t.Fatal(err)
	}
	sends := record(t, srv)
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	c.text(0, "hello stranger")
	sends.await(1, func(n *waBinary.Node) bool {
		_, ok := n.GetOptionalChildByTag("list")
		return n.Tag == "iq" && n.Attrs["xmlns"] == "encrypt" && n.Attrs["type"] == "set" && ok
	})
}

func TestMessagesToANumberMayBeIgnored(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	fault(t, srv, wasim.Fault{Kind: wasim.FaultIgnoreNumber, Number: ana, Count: 1})
	c.sendText(ana, "by hidden id") // the library looks it up
	await(t, phone(t, srv, ana), hasText("by hidden id"))
	if len(srv.Faults()) != 1 {
		t.Fatal("the fault struck a message to the hidden id")
	}
	// A client that doesn't: it is told that all is well, and the message is gone.
	in := c.DangerousInternals()
	resp := in.WaitResponse("OLDWAYS")
	if err := in.SendNode(timeout(t), waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"id": "OLDWAYS", "type": "text", "to": jid(ana)}}); err != nil {
		t.Fatal(err)
	}
	select {
	case ack := <-resp:
		if ack.Attrs["error"] != nil {
			t.Errorf("answered with %v", ack)
		}
	case <-timeout(t).Done():
		t.Fatal("not acknowledged")
	}
	if len(srv.Faults()) != 0 {
		t.Error("the fault did not strike")
	}
}

func TestAMessageMayComeTwice(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	fault(t, srv, wasim.Fault{Kind: wasim.FaultRepeatMessage, Number: business, Count: 1})
	sends := record(t, srv)
	id, err := phone(t, srv, ana).Send(timeout(t), business, "twice")
	if err != nil {
		t.Fatal(err)
	}
	answered := func(n *waBinary.Node) bool {
		return (n.Tag == "receipt" || n.Tag == "ack") && n.Attrs["id"] == id
	}
	sends.await(2, answered)
	if _, err := phone(t, srv, ana).Send(timeout(t), business, "once"); err != nil {
		t.Fatal(err)
	}
	c.text(0, "once")
	n := 0
	for _, e := range c.seen() {
		if m, ok := e.(*events.Message); ok && m.Message.GetConversation() == "twice" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the client shows it %d times", n)
	}
}

func TestMediaHostsFailOneByOne(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	data := []byte("some file")
	if _, err := phone(t, srv, ana).SendFile(timeout(t), business, wasim.File{Kind: "image", MIME: "image/png", Data: data}); err != nil {
		t.Fatal(err)
	}
	m := event(c, 0, func(m *events.Message) bool { return m.Message.GetImageMessage() != nil })
	fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseDownload, Code: 400, FirstHost: true})
	if got, err := c.DownloadAny(timeout(t), m.Message); err != nil || string(got) != string(data) {
		t.Errorf("from the second host: %q, %v", got, err)
	}
	fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseDownload, Code: 400, Count: 2})
	if _, err := c.DownloadAny(timeout(t), m.Message); err == nil {
		t.Error("downloaded although both hosts refuse")
	}
	conn, err := c.DangerousInternals().RefreshMediaConn(timeout(t), false)
	if err != nil || len(conn.Hosts) != 2 {
		t.Fatalf("hosts %+v, %v", conn, err)
	}
	// The library uploads to the first host only, and says when that refuses.
	fault(t, srv, wasim.Fault{Kind: wasim.FaultRefuseUpload, Code: 503, FirstHost: true, Count: 1})
	if _, err := c.Upload(timeout(t), data, whatsmeow.MediaImage); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("upload: %v", err)
	}
}

func TestStanzasTakeTimeAndStayInOrder(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	c.sendText(ana, "warm up")
	const delay = 40 * time.Millisecond
	down := fault(t, srv, wasim.Fault{Kind: wasim.FaultDelayDown, Number: business, Delay: delay, Jitter: delay})
	up := fault(t, srv, wasim.Fault{Kind: wasim.FaultDelayUp, Number: business, Delay: delay, Jitter: delay})
	begin := time.Now()
	settle(t, c)
	if took := time.Since(begin); took < 2*delay {
		t.Errorf("there and back took %s, less than the delays of %s each", took, delay)
	}
	var want []string
	for range 20 {
		want = append(want, c.sendText(ana, "message").ID)
	}
	for i := range 20 {
		if _, err := phone(t, srv, ana).Send(timeout(t), business, string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	srv.ClearFaults(down.ID, up.ID) // what is under way stays in order with what follows
	want = append(want, c.sendText(ana, "last").ID)
	await(t, phone(t, srv, ana), hasText("last"))
	all, err := phone(t, srv, ana).Messages()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all[1:] {
		if !m.FromMe && m.From == business {
			got = append(got, m.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the phone got %v, want %v", got, want)
	}
	c.text(0, "t")
	var letters strings.Builder
	for _, e := range c.seen() {
		if m, ok := e.(*events.Message); ok && len(m.Message.GetConversation()) == 1 {
			letters.WriteString(m.Message.GetConversation())
		}
	}
	if letters.String() != "abcdefghijklmnopqrst" {
		t.Errorf("the client got %s", letters.String())
	}
}

// TestEveryFaultCanBeSetOverTheControlAPI sets each kind as a program in another language does.
func TestEveryFaultCanBeSetOverTheControlAPI(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	h := wasim.Control(srv)
	needs := map[wasim.FaultKind]string{
		wasim.FaultDelayAck: `,"delay":"1s"`, wasim.FaultRefuseLogin: `,"code":402,"delay":"1h"`,
		wasim.FaultDelayUp: `,"delay":"1ms","jitter":"1ms"`, wasim.FaultDelayDown: `,"jitter":"1ms"`,
		wasim.FaultRefuseUpload: `,"first_host":true`, wasim.FaultRefuseDownload: `,"code":410,"first_host":true`,
	}
	for _, kind := range wasim.FaultKinds() {
		code, out := call(t, h, "POST", "/sandbox/faults", `{"kind":"`+string(kind)+`","count":1`+needs[kind]+`}`)
		if code != 200 {
			t.Errorf("%s: %d %v", kind, code, out)
			continue
		}
		set, err := json.Marshal(out["fault"])
		if err != nil {
			t.Fatal(err)
		}
		var f wasim.Fault
		if err := json.Unmarshal(set, &f); err != nil || f.Kind != kind || f.ID == "" {
			t.Errorf("%s came back as %s, %v", kind, set, err)
		}
	}
	for _, wrong := range []string{
		`{"kind":"delay_up"}`, `{"kind":"refuse","first_host":true}`, `{"kind":"cut","jitter":"-1s"}`, `{"kind":"delay_down","jitter":"soon"}`,
	} {
		if code, out := call(t, h, "POST", "/sandbox/faults", wrong); code != 400 {
			t.Errorf("%s: %d %v", wrong, code, out)
		}
	}
}

func TestTheGuideNamesEveryFault(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range wasim.FaultKinds() {
		if !regexp.MustCompile(`\b` + string(kind) + `\b`).Match(guide) {
			t.Errorf("the package's documentation doesn't name %s", kind)
		}
	}
}

func TestAHiddenNumberIsToldLate(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	c := paired(t, srv, business)
	const stranger = "+14840000055"
	p := addPhone(t, srv, wasim.PhoneOptions{Number: stranger, Name: "Stranger", HideNumber: true})
	if _, err := p.Send(timeout(t), business, "guess who"); err != nil {
		t.Fatal(err)
	}
	m := c.text(0, "guess who")
	if m.Info.Sender.ToNonAD() != p.LID() || !m.Info.SenderAlt.IsEmpty() {
		t.Errorf("from %v, also known as %v", m.Info.Sender, m.Info.SenderAlt)
	}
	if pn, err := c.Store.LIDs.GetPNForLID(timeout(t), p.LID()); err != nil || !pn.IsEmpty() {
		t.Errorf("the client knows the number %v, %v", pn, err)
	}
	// It can be answered by hidden id.
	if _, err := c.SendMessage(timeout(t), p.LID(), said("who?")); err != nil {
		t.Fatal(err)
	}
	await(t, p, hasText("who?"))
	addPhone(t, srv, wasim.PhoneOptions{Number: stranger, Name: "Stranger"})
	if _, err := p.Send(timeout(t), business, "it's me"); err != nil {
		t.Fatal(err)
	}
	if m := c.text(0, "it's me"); m.Info.SenderAlt.ToNonAD() != jid(stranger) {
		t.Errorf("also known as %v", m.Info.SenderAlt)
	}
	if pn, err := c.Store.LIDs.GetPNForLID(timeout(t), p.LID()); err != nil || pn != types.NewJID("14840000055", types.DefaultUserServer) {
		t.Errorf("the number behind the hidden id is %v, %v", pn, err)
	}
}
