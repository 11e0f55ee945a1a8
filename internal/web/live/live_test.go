package live_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	feed "github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/live"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const cookie = "session"

// world is the section over a real hub. It stands for the services around it.
type world struct {
	t      *testing.T
	hub    *feed.Hub
	server *httptest.Server

	mu       sync.Mutex
	role     tideline.Role
	signedIn bool
	done     []string // what presence was told
}

func (w *world) Authenticate(context.Context, string) (*tideline.Principal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.signedIn {
		return nil, tideline.Errorf(tideline.CodeInvalidToken, "no such session")
	}
	return &tideline.Principal{Workspace: tideline.Workspace{ID: 1}, Member: tideline.Member{ID: 5, DisplayName: "Ann", Role: w.role}}, nil
}

func (w *world) Viewer(_ context.Context, p *tideline.Principal) (*store.Viewer, error) {
	if p.Member.Role.Administers() {
		return nil, nil
	}
	return &store.Viewer{MemberID: 5, Accounts: []int64{8}}, nil
}

// Chat knows chat 1 of account 7, nobody's, and 2 of account 8.
func (w *world) Chat(_ context.Context, workspaceID, id int64) (tideline.Chat, error) {
	if account, ok := map[int64]int64{1: 7, 2: 8}[id]; ok && workspaceID == 1 {
		return tideline.Chat{ID: id, WorkspaceID: 1, AccountID: account}, nil
	}
	return tideline.Chat{}, tideline.Errorf(tideline.CodeNotFound, "Chat not found")
}

func (w *world) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, what)
}

func (w *world) Open(tideline.Chat) { w.note("open") }

func (w *world) Compose(_ tideline.Chat, _ int64, doing feed.Doing) {
	w.note("compose " + string(doing))
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func newWorld(t *testing.T, change ...func(*live.Deps)) *world {
	t.Helper()
	w := &world{t: t, role: tideline.RoleOwner, signedIn: true}
	w.hub = feed.New(w, feed.Config{})
	d := live.Deps{Hub: w.hub, Team: w, Chats: w, Presence: w, Beat: time.Hour}
	for _, c := range change {
		c(&d)
	}
	kit, err := ui.New(ui.Config{Sessions: w, Cookie: cookie, Position: w.hub.Position})
	if err != nil {
		t.Fatal(err)
	}
	h, err := kit.Handler(live.New(d))
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewUnstartedServer(h)
	// A stream outlives both.
	w.server.Config.ReadTimeout, w.server.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
	w.server.Config.RegisterOnShutdown(w.hub.Close)
	w.server.Start()
	t.Cleanup(func() {
		w.server.Client().CloseIdleConnections()
		w.hub.Close()
		w.server.Close()
	})
	return w
}

// event is one event of a stream.
type event struct{ name, id, data string }

// stream is an open stream.
type stream struct {
	t      *testing.T
	events chan event // closed at the end
}

// follow opens a stream and reads its hello.
func (w *world) follow(header ...string) (*stream, event) {
	w.t.Helper()
	res := w.request(http.MethodGet, "/live", nil, header...)
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		w.t.Fatalf("GET /live: %s %s", res.Status, res.Header.Get("Content-Type"))
	}
	s := &stream{t: w.t, events: make(chan event, 1000)}
	go func() {
		defer close(s.events)
		var e event
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = value
			case "":
				s.events <- e
				e = event{}
			}
		}
	}()
	hello := s.next()
	if hello.name != "hello" {
		w.t.Fatalf("the stream begins with %+v", hello)
	}
	return s, hello
}

func (s *stream) next() event {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	select {
	case e, ok := <-s.events:
		if !ok {
			return event{name: "end"}
		}
		return e
	case <-ctx.Done():
		s.t.Fatal("no event came")
		return event{}
	}
}

// wants compares the next notices.
func (s *stream) wants(want ...string) (last event) {
	s.t.Helper()
	for _, w := range want {
		last = s.next()
		if diff := cmp.Diff(w, last.data); diff != "" || last.name != "" {
			s.t.Errorf("event %q (-want +got):\n%s", last.name, diff)
		}
	}
	return last
}

func (w *world) request(method, path string, body io.Reader, header ...string) *http.Response {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, w.server.URL+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	req.AddCookie(&http.Cookie{Name: cookie, Value: "x"})
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := w.server.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { cancel(); _ = res.Body.Close() })
	return res
}

func (w *world) publish(changes ...tideline.Change) {
	for i := range changes {
		if changes[i].WorkspaceID == 0 {
			changes[i].WorkspaceID = 1
		}
	}
	w.hub.Publish(changes)
}

func TestAPageGetsNoticesAndNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, hello := w.follow()
	if hello.id != w.hub.Position() {
		t.Errorf("the stream begins at %q, the hub is at %q", hello.id, w.hub.Position())
	}
	w.publish(tideline.Change{Kind: tideline.ChangeMessage, AccountID: 7, ChatID: 1, MessageID: 3},
		tideline.Change{WorkspaceID: 2, Kind: tideline.ChangeSettings}, tideline.Change{Kind: tideline.ChangeQueue})
	last := s.wants(`{"kind":"message","account":7,"chat":1,"message":3}`, `{"kind":"queue"}`)
	if last.id != w.hub.Position() {
		t.Errorf("the last id is %q, want %q", last.id, w.hub.Position())
	}

	w.publish(tideline.Change{Kind: tideline.ChangeChat, AccountID: 7, ChatID: 1})
	again, hello := w.follow("Last-Event-ID", last.id)
	if hello.id != "" {
		t.Errorf("the hello of who comes back has the id %q, which it has not seen yet", hello.id)
	}
	again.wants(`{"kind":"chat","account":7,"chat":1}`)
	lost, _ := w.follow("Last-Event-ID", "other.1")
	lost.wants(`{"kind":"resync"}`)
}

func TestRightsThatChangeHoldAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.follow()
	w.set(func() { w.role = tideline.RoleAgent })
	w.publish(tideline.Change{Kind: tideline.ChangeSettings})
	s.wants(`{"kind":"settings"}`, `{"kind":"resync"}`)
	w.publish(tideline.Change{Kind: tideline.ChangeMessage, AccountID: 7, ChatID: 1, MessageID: 1},
		tideline.Change{Kind: tideline.ChangeMessage, AccountID: 8, ChatID: 2, MessageID: 2})
	s.wants(`{"kind":"message","account":8,"chat":2,"message":2}`)
}

func TestAStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(d *live.Deps) { d.Beat = 10 * time.Millisecond })
	s, _ := w.follow()
	// Beyond the server's limits for requests that end.
	for range 12 {
		if e := s.next(); e.name != "beat" {
			t.Fatalf("got %+v, want a sign of life", e)
		}
	}
	w.set(func() { w.signedIn = false })
	for {
		switch e := s.next(); e.name {
		case "beat":
			continue
		case "signedout":
		default:
			t.Errorf("got %+v, want signedout", e)
		}
		break
	}
	if e := s.next(); e.name != "end" {
		t.Errorf("after signedout comes %+v", e)
	}
	if res := w.request(http.MethodGet, "/live", nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET /live without a session: %s", res.Status)
	}
}

func TestStoppingTheServerEndsStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.follow()
	stopped := make(chan error, 1)
	go func() { stopped <- w.server.Config.Shutdown(t.Context()) }()
	if e := s.next(); e.name != "end" {
		t.Errorf("got %+v", e)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAMemberHasABoundedNumberOfStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(d *live.Deps) { d.Streams = 2 })
	w.follow()
	w.follow()
	res := w.request(http.MethodGet, "/live", nil)
	if res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third stream: %s", res.Status)
	}
}

func TestWhatAMemberDoesReachesOthersWhoSeeTheChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, _ := w.follow()
	do := func(body string) int {
		t.Helper()
		return w.request(http.MethodPost, "/live/typing", strings.NewReader(body), "Content-Type", "application/json").StatusCode
	}
	w.hub.Report(feed.Activity{WorkspaceID: 1, AccountID: 7, ChatID: 1, Person: feed.Person{MemberID: 6, Name: "Ben", Doing: feed.Looking}})
	own.wants(`{"kind":"typing","account":7,"chat":1,"people":[{"member":6,"name":"Ben","doing":"looking"}]}`)
	sub := w.hub.Subscribe(feed.Subscriber{WorkspaceID: 1})
	defer sub.Close()
	if _, err := sub.Next(t.Context()); err != nil { // that Ben looks
		t.Fatal(err)
	}
	if status := do(`{"chat":1,"doing":"typing"}`); status != http.StatusOK {
		t.Fatalf("typing: %d", status)
	}
	notices, err := sub.Next(t.Context())
	if err != nil || len(notices) != 1 || len(notices[0].People) != 2 || notices[0].People[0] != (feed.Person{MemberID: 5, Name: "Ann", Doing: feed.Typing}) {
		t.Errorf("others get %+v, %v", notices, err)
	}
	// Of what she does herself, her pages hear nothing.
	w.hub.Report(feed.Activity{WorkspaceID: 1, AccountID: 7, ChatID: 1, Person: feed.Person{MemberID: 6, Doing: feed.Nothing}})
	own.wants(`{"kind":"typing","account":7,"chat":1}`)

	for body, want := range map[string]int{
		`{"chat":99,"doing":"typing"}`: http.StatusNotFound, `{"chat":1,"doing":"dancing"}`: http.StatusUnprocessableEntity,
		`{`: http.StatusUnprocessableEntity, `{"chat":1,"who":5}`: http.StatusUnprocessableEntity,
	} {
		if status := do(body); status != want {
			t.Errorf("%s: %d, want %d", body, status, want)
		}
	}
	w.set(func() { w.role = tideline.RoleAgent })
	if status := do(`{"chat":1,"doing":"typing"}`); status != http.StatusNotFound {
		t.Errorf("typing in a chat that they don't see: %d", status)
	}
	if status := do(`{"chat":2,"doing":"looking"}`); status != http.StatusOK {
		t.Errorf("looking at one that they see: %d", status)
	}
	if diff := cmp.Diff([]string{"open", "compose typing", "open", "compose looking"}, w.done); diff != "" {
		t.Errorf("presence was told (-want +got):\n%s", diff)
	}
	var state map[string]string
	if err := json.NewDecoder(w.request(http.MethodGet, "/live/state", nil).Body).Decode(&state); err != nil || state["position"] != w.hub.Position() {
		t.Errorf("state %v, %v", state, err)
	}
}
