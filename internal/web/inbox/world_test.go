package inbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"github.com/tidelinehq/tideline/internal/auth"
	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/message"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/store/storetest/migrated"
	"github.com/tidelinehq/tideline/internal/team"
	"github.com/tidelinehq/tideline/internal/testenv"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web"
	"github.com/tidelinehq/tideline/internal/web/inbox"
	"github.com/tidelinehq/tideline/internal/web/ui"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const cookie = "tideline_test"

// office is the pages over real services on a real database, with one number and
// its owner. Tokens stand for sessions, which have their own tests.
type office struct {
	t       *testing.T
	store   store.Store
	tokens  *auth.Tokens
	files   *file.Service
	handler http.Handler
	ws      tideline.Workspace
	owner   tideline.Member
	secret  string
	acc     tideline.Account
	reacted []whatsapp.Reaction
	now     time.Time
	count   atomic.Int64
}

func openOffice(t *testing.T) *office {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Options{Database: migrated.SQLite(t)})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := local.Open(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := blobs.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o := &office{t: t, store: s, now: time.Now().Truncate(time.Second)}
	authenticator := auth.New(s, auth.Config{})
	o.tokens = auth.NewTokens(s, nil)
	messages := message.New(message.Deps{Store: s, Refresher: authenticator, Reactor: o, NewMessageID: func() string {
		return fmt.Sprintf("3EB0%08X", o.count.Add(1))
	}})
	o.files = file.New(file.Config{LinkKey: []byte("key")}, file.Deps{Storage: s, Blobs: blobs, Log: slog.New(slog.DiscardHandler)})
	kit, err := ui.New(ui.Config{Sessions: authenticator, Cookie: cookie})
	o.must(err)
	// Of the other section the pages use a script only.
	live := ui.Section{Name: "live", Assets: os.DirFS("../live/assets")}
	o.handler, err = web.New(kit, live, inbox.New(inbox.Deps{Storage: s, Messages: messages, Files: o.files, Team: team.New(s, nil)}))
	o.must(err)
	o.ws, o.owner, o.secret, o.acc = o.tenant("acme")
	return o
}

// React implements message.Reactor.
func (o *office) React(_ context.Context, _ int64, r whatsapp.Reaction) error {
	o.reacted = append(o.reacted, r)
	return nil
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// tenant makes a workspace with an owner, their secret and an active number.
func (o *office) tenant(slug string) (tideline.Workspace, tideline.Member, string, tideline.Account) {
	o.t.Helper()
	ws, owner, err := o.store.CreateWorkspace(o.t.Context(), tideline.Workspace{Slug: slug, DisplayName: slug, TimeZone: "Asia/Kolkata",
		Plan: tideline.Plan{Name: tideline.DefaultPlan}, Gap: tideline.DefaultGap, CreatedAt: o.now},
		tideline.Member{Email: "owner@" + slug + ".example", DisplayName: "Olga", Role: tideline.RoleOwner, CreatedAt: o.now})
	o.must(err)
	return ws, owner, o.secretOf(ws, owner), o.account(ws, owner.Email)
}

func (o *office) secretOf(ws tideline.Workspace, m tideline.Member) string {
	o.t.Helper()
	secret, _, err := o.tokens.Create(o.t.Context(), ws, m, "test", 0)
	o.must(err)
	return secret
}

func (o *office) account(ws tideline.Workspace, ownerEmail string) tideline.Account {
	o.t.Helper()
	phone := tideline.Phone(fmt.Sprintf("+1484111%04d", o.count.Add(1)))
	acc, err := o.store.PutAccount(o.t.Context(), tideline.Account{WorkspaceID: ws.ID, JID: phone.JID(), DeviceJID: phone.Digits() + ":1@s.whatsapp.net",
		Phone: phone, Name: "Desk " + string(phone), State: tideline.AccountConnecting, OwnerEmail: ownerEmail, CreatedAt: o.now})
	o.must(err)
	o.state(acc, tideline.AccountActive)
	return acc
}

func (o *office) state(a tideline.Account, s tideline.AccountState) {
	o.t.Helper()
	o.must(o.store.SetAccountState(o.t.Context(), a.ID, s, "", o.now))
}

// member adds a member and gives their secret.
func (o *office) member(role tideline.Role) (tideline.Member, string) {
	o.t.Helper()
	m, err := o.store.AddMember(o.t.Context(), tideline.Member{WorkspaceID: o.ws.ID, Email: string(role) + "@acme.example", DisplayName: "Mr " + string(role), Role: role, CreatedAt: o.now})
	o.must(err)
	return m, o.secretOf(o.ws, m)
}

// receive lets a customer write.
func (o *office) receive(phone tideline.Phone, name, text string, change ...func(*store.Reception)) store.Received {
	o.t.Helper()
	o.now = o.now.Add(time.Second)
	peer := tideline.Peer{JID: phone.JID(), Name: name}
	r := store.Reception{WorkspaceID: o.ws.ID, AccountID: o.acc.ID, Chat: peer, Sender: peer, At: o.now, ReceivedAt: o.now,
		Message: &store.NewInbound{UID: uuid.Must(uuid.NewV7()).String(), WhatsAppID: fmt.Sprintf("W%d", o.count.Add(1)), Kind: tideline.KindText, Text: text}}
	for _, c := range change {
		c(&r)
	}
	got, err := o.store.Receive(o.t.Context(), r)
	o.must(err)
	return got
}

// settle ends a message.
func (o *office) settle(uid string, status tideline.Status, reason tideline.Reason) {
	o.t.Helper()
	v, err := o.store.MessageByUID(o.t.Context(), o.ws.ID, uid)
	o.must(err)
	o.now = o.now.Add(time.Second)
	o.must(o.store.Settle(o.t.Context(), store.Settlement{WorkspaceID: o.ws.ID, AccountID: v.Message.AccountID, MessageID: v.Message.ID, Status: status, Reason: reason, At: o.now}))
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// ask makes a request; secret "" is the owner's, body nil is none, a string is
// sent as it is and everything else as JSON.
func (o *office) ask(method, path, secret string, body any, change ...func(*http.Request)) answer {
	o.t.Helper()
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		o.must(err)
		sent = strings.NewReader(string(data))
	}
	r := httptest.NewRequestWithContext(o.t.Context(), method, path, sent)
	if body != nil || method == http.MethodPost {
		r.Header.Set("Accept", "application/json")
	}
	if secret == "" {
		secret = o.secret
	}
	r.AddCookie(&http.Cookie{Name: cookie, Value: secret})
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	return answer{o.t, w.Code, w.Header(), w.Body.String()}
}

func (o *office) get(path string) answer {
	o.t.Helper()
	return o.ask(http.MethodGet, path, "", nil)
}

func (o *office) post(path string, body any) answer {
	o.t.Helper()
	return o.ask(http.MethodPost, path, "", body)
}

// ok wants success.
func (a answer) ok() answer {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("answered %d %s", a.status, a.body)
	}
	return a
}

// refused wants a status.
func (a answer) refused(status int) {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("answered %d %s, want %d", a.status, a.body, status)
	}
}

// field gives a field of the JSON.
func (a answer) field(name string) string {
	a.t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.ok().body), &v); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
	return fmt.Sprint(v[name])
}

// find gives the elements for which fn holds.
func (a answer) find(fn func(*html.Node) bool) []*html.Node {
	a.t.Helper()
	root, err := html.Parse(strings.NewReader(a.ok().body))
	if err != nil {
		a.t.Fatal(err)
	}
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && fn(n) {
			found = append(found, n)
		}
	}
	return found
}

// class gives the elements of a class.
func (a answer) class(name string) []*html.Node {
	a.t.Helper()
	return a.find(func(n *html.Node) bool { return strings.Contains(" "+attr(n, "class")+" ", " "+name+" ") })
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text gives the text of elements, joined.
func text(nodes ...*html.Node) string {
	var b strings.Builder
	for _, n := range nodes {
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				b.WriteString(d.Data)
			}
		}
		b.WriteString("|")
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
