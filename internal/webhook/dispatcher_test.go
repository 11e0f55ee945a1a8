package webhook

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tidelinehq/tideline/internal/tideline"
)

func TestEveryEventArrivesOnceAndInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example/hook"), hook(2, tideline.EventMessageReceived, "http://two.example/hook"), hook(3, tideline.EventChatNew, "http://three.example"))
		r := newReceivers()
		r.on("one.example", func(post) (int, error) { pass(40 * time.Millisecond); return http.StatusNoContent, nil })
		m.emit(300, 1, 2, 3, 4, 5)
		d := start(t, m, r, Config{})
		synctest.Wait()
		m.emit(300, 1, 2, 3, 4, 5) // while it runs
		pass(time.Minute)
		d.stop()
		for _, host := range []string{"one.example", "two.example"} {
			got := r.taken(host)
			if len(got) != 600 || distinct(got) != 600 {
				t.Errorf("%s took %d, %d of them distinct, want 600", host, len(got), distinct(got))
			}
			inOrder(t, got)
		}
		if got := r.taken("three.example"); len(got) != 0 {
			t.Errorf("a webhook for new chats got %d messages", len(got))
		}
		if diff := cmp.Diff(map[tideline.DeliveryState]int{tideline.DeliveryDelivered: 1200}, m.states(0)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestADeliveryIsSignedTheStandardWay(t *testing.T) {
	t.Parallel()
	m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example/hook"))
	h := m.hooks[1]
	h.Previous, h.PreviousUntil = NewSecret(), time.Now().Add(time.Hour)
	r := newReceivers()
	arrived := make(chan struct{})
	r.on("one.example", func(post) (int, error) { close(arrived); return http.StatusOK, nil })
	d := start(t, m, r, Config{UserAgent: "Tideline/1.2.3"})
	m.emit(1, 1)
	<-arrived
	d.stop()
	p := r.all[0]
	for _, secret := range []tideline.SigningSecret{h.Secret, h.Previous} {
		v, err := standardwebhooks.NewWebhook(string(secret))
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify([]byte(p.body), p.header); err != nil {
			t.Errorf("a receiver with either secret can check: %v", err)
		}
	}
	stranger, _ := standardwebhooks.NewWebhook(string(NewSecret()))
	if stranger.Verify([]byte(p.body), p.header) == nil {
		t.Error("any secret will do")
	}
	if p.header.Get("Content-Type") != "application/json" || p.header.Get("User-Agent") != "Tideline/1.2.3" || p.id != m.log[0].Event.UID {
		t.Errorf("headers %v", p.header)
	}
}

func TestAFailureIsTriedAgainAfterOneSecondAndFive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		var n atomic.Int64
		r.on("one.example", func(post) (int, error) {
			if n.Add(1) <= 3 {
				return http.StatusInternalServerError, nil
			}
			return http.StatusOK, nil
		})
		begin := time.Now()
		d := start(t, m, r, Config{})
		m.emit(1, 1)
		pass(6*time.Second + outcomeWait)
		synctest.Wait()
		if got := m.hook(1).ErrorsCounter; got != 1 {
			t.Errorf("errors_counter %d after the quick attempts, want 1", got)
		}
		pass(time.Minute)
		d.stop()
		var at []time.Duration
		for _, p := range r.all[:3] {
			at = append(at, p.at.Sub(begin))
		}
		if diff := cmp.Diff([]time.Duration{0, time.Second, 6 * time.Second}, at); diff != "" {
			t.Error(diff)
		}
		if len(r.taken("one.example")) != 1 || distinct(r.all) != 1 {
			t.Errorf("%d arrived of %d posts with %d ids", len(r.taken("one.example")), len(r.all), distinct(r.all))
		}
		if got := m.hook(1).ErrorsCounter; got != 0 {
			t.Errorf("errors_counter %d after a success, want 0", got)
		}
		if log := m.attempts[1]; len(log) != 4 || log[0].StatusCode != 500 || log[0].Error == "" || log[3].Error != "" || log[3].Response == "" {
			t.Errorf("log %+v", log)
		}
	})
}

func TestADeadEndpointDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://dead.example"), hook(2, tideline.EventMessageNew, "http://slow.example"), hook(3, tideline.EventMessageNew, "http://fine.example"))
		r := newReceivers()
		r.on("dead.example", func(post) (int, error) { pass(tideline.DeliveryTimeout); return 0, errors.New("timeout") })
		r.on("slow.example", func(post) (int, error) { pass(4 * time.Second); return http.StatusOK, nil })
		d := start(t, m, r, Config{InFlight: 1})
		begin := time.Now()
		for range 100 {
			m.emit(1, 1, 2, 3)
			pass(100 * time.Millisecond)
		}
		d.stop()
		got := r.taken("fine.example")
		if len(got) != 100 || got[99].at.Sub(begin) > 10*time.Second {
			t.Errorf("the endpoint that works took %d of 100", len(got))
		}
	})
}

func TestComplaint15ASlowOrFailingReceiverIsNotFlooded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://slow.example"), hook(2, tideline.EventMessageNew, "http://down.example"))
		r := newReceivers()
		r.on("slow.example", func(post) (int, error) { pass(3 * time.Second); return http.StatusOK, nil })
		r.on("down.example", func(post) (int, error) { return http.StatusInternalServerError, nil })
		chats := make([]int64, 50)
		for i := range chats {
			chats[i] = int64(i + 1)
		}
		m.emit(2000, chats...)
		d := start(t, m, r, Config{PerEndpoint: 4})
		pass(time.Hour)
		d.stop()
		if most := r.most["slow.example"]; most > 4 {
			t.Errorf("%d requests at a time, want at most 4", most)
		}
		down := 0
		for _, p := range r.all {
			if p.host == "down.example" {
				down++
			}
		}
		if down > 100 || down < 10 {
			t.Errorf("a receiver that is down got %d requests in an hour with 2000 waiting, want a few dozen probes", down)
		}
	})
}

func TestAnHourOfSilenceLosesNothingAndKeepsTheOrder(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]func(post) (int, error){
		"refuses connections": func(post) (int, error) { return 0, errRefused },
		"answers 503":         func(post) (int, error) { return http.StatusServiceUnavailable, nil },
		"answers 500":         func(post) (int, error) { return http.StatusInternalServerError, nil },
		"hangs":               func(post) (int, error) { pass(tideline.DeliveryTimeout); return 0, errors.New("timeout") },
	} {
		for chatsName, count := range map[string]int{"one chat": 1, "many chats": 97} {
			t.Run(name+", "+chatsName, func(t *testing.T) {
				t.Parallel()
				events := 1000
				if name == "answers 503" && count > 1 {
					events = 10_000
				}
				synctest.Test(t, func(t *testing.T) { hourOfSilence(t, down, events, count) })
			})
		}
	}
}

func hourOfSilence(t *testing.T, down func(post) (int, error), events, chatCount int) {
	m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
	r := newReceivers()
	r.on("one.example", down)
	chats := make([]int64, chatCount)
	for i := range chats {
		chats[i] = int64(i + 1)
	}
	d := start(t, m, r, Config{})
	for range 100 { // while it is down
		m.emit(events/100, chats...)
		pass(36 * time.Second)
	}
	m.mu.Lock()
	loaded := m.loaded
	m.mu.Unlock()
	if loaded > 10*events+2*3600*minWindow {
		t.Errorf("%d deliveries were read again and again while the receiver was down", loaded)
	}
	r.on("one.example", nil)
	pass(10 * time.Minute)
	d.stop()
	got := r.taken("one.example")
	if len(got) != events || distinct(got) != events {
		t.Errorf("%d arrived, %d of them distinct, want %d; states %v", len(got), distinct(got), events, m.states(0))
	}
	inOrder(t, got)
	if got := m.hook(1).ErrorsCounter; got != 0 {
		t.Errorf("errors_counter %d, want 0", got)
	}
}

func TestAPoisonDeliveryIsSetAsideAndItsChatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		var cured atomic.Bool
		poison := messageView(1, 1, "").Event.UID
		r.on("one.example", func(p post) (int, error) {
			if p.id == poison && !cured.Load() {
				return http.StatusInternalServerError, nil
			}
			return http.StatusOK, nil
		})
		d := start(t, m, r, Config{})
		for range 20 { // another chat shows that the endpoint works
			m.emit(2, 1, 2)
			pass(time.Second)
		}
		pass(10 * time.Second)
		if got := len(r.taken("one.example")); got != 39 {
			t.Errorf("%d arrived, want all but the poison; states %v", got, m.states(0))
		}
		if diff := cmp.Diff(map[tideline.DeliveryState]int{tideline.DeliveryDelivered: 39, tideline.DeliveryAside: 1}, m.states(0)); diff != "" {
			t.Error(diff)
		}
		cured.Store(true)
		pass(24 * time.Hour)
		d.stop()
		if diff := cmp.Diff(map[tideline.DeliveryState]int{tideline.DeliveryDelivered: 40}, m.states(0)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestContentThatIsRefusedHoldsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		poison := messageView(1, 1, "").Event.UID
		r.on("one.example", func(p post) (int, error) {
			if p.id == poison {
				return http.StatusUnprocessableEntity, nil
			}
			return http.StatusOK, nil
		})
		d := start(t, m, r, Config{})
		m.emit(10, 1) // there is no other chat to tell by
		pass(time.Minute)
		if got := len(r.taken("one.example")); got != 9 {
			t.Errorf("%d arrived, want all but the one that is refused", got)
		}
		pass(tideline.DeliveryWindow)
		d.stop()
		if diff := cmp.Diff(map[tideline.DeliveryState]int{tideline.DeliveryDelivered: 9, tideline.DeliveryDead: 1}, m.states(0)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestGoneDisablesTheWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		r.on("one.example", func(post) (int, error) { return http.StatusGone, nil })
		d := start(t, m, r, Config{})
		m.emit(5, 1)
		pass(time.Hour)
		if h := m.hook(1); h.Enabled || h.Trouble == "" || r.tries() != 1 {
			t.Errorf("enabled %v, trouble %q after %d requests", h.Enabled, h.Trouble, r.tries())
		}
		// Somebody repairs the receiver and enables the webhook again.
		r.on("one.example", nil)
		m.mu.Lock()
		m.hooks[1].Enabled, m.hooks[1].UpdatedAt = true, time.Now()
		m.mu.Unlock()
		d.Changed()
		pass(time.Minute)
		d.stop()
		got := r.taken("one.example")
		if len(got) != 5 {
			t.Errorf("%d arrived, want all 5", len(got))
		}
		inOrder(t, got)
	})
}

func TestWhatIsOverIsDeadAfterThreeDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		r.on("one.example", func(post) (int, error) { return 0, errRefused })
		d := start(t, m, r, Config{})
		m.emit(500, 1, 2, 3)
		pass(tideline.DeliveryWindow - time.Minute)
		if n := m.states(0)[tideline.DeliveryDead]; n != 0 {
			t.Errorf("%d given up before three days", n)
		}
		pass(20 * time.Minute)
		m.emit(1, 1)
		pass(time.Minute)
		d.stop()
		if diff := cmp.Diff(map[tideline.DeliveryState]int{tideline.DeliveryDead: 500, tideline.DeliveryWaiting: 1}, m.states(0)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatCouldNotBeStoredIsStoredLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(hook(1, tideline.EventMessageNew, "http://one.example"))
		r := newReceivers()
		m.broken = errors.New("disk full")
		d := start(t, m, r, Config{})
		m.emit(20, 1, 2)
		pass(time.Minute)
		m.mu.Lock()
		m.broken = nil
		m.mu.Unlock()
		pass(time.Minute)
		d.stop()
		if got := r.taken("one.example"); len(got) != 20 {
			t.Errorf("%d arrived, want 20, each once", len(got))
		}
		if diff := cmp.Diff(map[tideline.DeliveryState]int{tideline.DeliveryDelivered: 20}, m.states(0)); diff != "" {
			t.Error(diff)
		}
	})
}
