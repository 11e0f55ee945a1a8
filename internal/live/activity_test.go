package live_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// running gives a hub that runs until the bubble ends.
func running(t *testing.T, chats live.Chats) *live.Hub {
	h := live.New(chats, live.Config{})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h
}

func report(chat int64, p live.Person) live.Activity {
	return live.Activity{WorkspaceID: workspace, AccountID: 7, ChatID: chat, Person: p}
}

func people(chat int64, all ...live.Person) live.Notice {
	return live.Notice{Kind: live.KindActivity, AccountID: 7, ChatID: chat, People: all}
}

func ana(d live.Doing) live.Person {
	return live.Person{Address: "1@s.whatsapp.net", Name: "Ana", Doing: d}
}
func ben(d live.Doing) live.Person { return live.Person{MemberID: 5, Name: "Ben", Doing: d} }

func TestTypingIsToldAndEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := running(t, &memory{})
		s := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		h.Report(report(1, ana(live.Typing)))
		wants(t, "she types", s, people(1, ana(live.Typing)))
		h.Report(report(1, ana(live.Typing)))
		wants(t, "what everybody knows", s)
		h.Report(report(1, ana(live.Recording)))
		wants(t, "she speaks", s, people(1, ana(live.Recording)))
		<-time.After(15 * time.Second)
		h.Report(report(1, ana(live.Recording)))
		<-time.After(15 * time.Second)
		wants(t, "while she goes on", s)
		<-time.After(6 * time.Second)
		wants(t, "nothing more was heard", s, people(1))
		h.Report(report(1, ana(live.Typing)))
		h.Report(report(1, ana(live.Nothing)))
		wants(t, "she stopped", s, people(1))
		h.Report(report(2, ana(live.Nothing)))
		wants(t, "who never began", s)
	})
}

func TestWhoTypesLooksAndGoesOnLookingAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := running(t, &memory{})
		s := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		h.Report(report(1, ben(live.Looking)))
		h.Report(report(1, ana(live.Typing)))
		wants(t, "both", s, people(1, ana(live.Typing), ben(live.Looking)))
		h.Report(report(1, ben(live.Typing)))
		wants(t, "he answers", s, people(1, ana(live.Typing), ben(live.Typing)))
		<-time.After(8 * time.Second)
		wants(t, "his text is not sent", s, people(1, ana(live.Typing), ben(live.Looking)))
		late := h.Subscribe(live.Subscriber{WorkspaceID: workspace})
		wants(t, "for who comes later", late, people(1, ana(live.Typing), ben(live.Looking)))
		h.Report(report(1, ben(live.Nothing)))
		wants(t, "he left", s, people(1, ana(live.Typing)))
		<-time.After(2 * time.Minute)
		wants(t, "in the end", s, people(1))
		wants(t, "for who comes in the end", h.Subscribe(live.Subscriber{WorkspaceID: workspace}))
	})
}

func TestWhoTypesIsToldToThoseWhoSeeTheChat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := running(t, &memory{responsible: map[int64]int64{1: 5, 2: 6}})
		s := h.Subscribe(live.Subscriber{WorkspaceID: workspace, MemberID: 5, Viewer: &store.Viewer{MemberID: 5}})
		other := h.Subscribe(live.Subscriber{WorkspaceID: 2})
		h.Report(report(1, ana(live.Typing)))
		h.Report(report(2, ana(live.Typing)))
		wants(t, "in the chat that they see", s, people(1, ana(live.Typing)))
		wants(t, "in another workspace", other)
	})
}

// others counts changes of other processes.
type others struct {
	mu   sync.Mutex
	n    int64
	fail error
}

func (o *others) OtherChanges(context.Context) (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n, o.fail
}

func (o *others) set(n int64, fail error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n, o.fail = n, fail
}

func TestWhatOtherProcessesChangeIsToldToEveryWorkspaceThatIsFollowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, o := live.New(&memory{}, live.Config{}), &others{n: 40}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Watch(ctx, o, slog.New(slog.DiscardHandler)) }()
		first, second := h.Subscribe(live.Subscriber{WorkspaceID: 1}), h.Subscribe(live.Subscriber{WorkspaceID: 2})
		told := []live.Notice{{Kind: tideline.ChangeSettings}, {Kind: tideline.ChangeAccount}}
		<-time.After(5 * time.Second)
		wants(t, "what was before", first)
		o.set(41, nil)
		<-time.After(2 * time.Second)
		wants(t, "a change", first, told...)
		wants(t, "a change, elsewhere", second, told...)
		o.set(0, errors.New("no storage"))
		<-time.After(4 * time.Second)
		o.set(41, nil)
		<-time.After(4 * time.Second)
		wants(t, "none", first)
		o.set(40, nil) // one too many was counted
		<-time.After(2 * time.Second)
		wants(t, "a correction", first)
		o.set(41, nil)
		<-time.After(2 * time.Second)
		wants(t, "another change", first, told...)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
