package inbox_test

import (
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// rings has the customer call the shop.
func (l *live) rings(video bool) string {
	l.t.Helper()
	id, err := l.phone(customer).Call(l.ctx(), shop, video)
	l.must(err)
	return id
}

// hangsUp has the customer give up.
func (l *live) hangsUp(call string) {
	l.t.Helper()
	l.must(l.phone(customer).HangUp(l.ctx(), shop, call, "timeout"))
}

func TestAMissedCallIsAMessage(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	id := l.rings(true)
	l.hangsUp(id)
	m := l.stored(id, anything).Message
	if m.Kind != tideline.KindCall || m.Status != tideline.CallMissed || m.FromMe || m.Data[tideline.DataVideo] != "true" ||
		m.Sender.JID != tideline.Phone(customer).JID() {
		t.Errorf("stored %+v, want a missed video call of the customer", m)
	}
}

func TestACallThatARestartCutsInTwoIsMissedOnce(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	// It began before the stop, and ends after the next start, or while away.
	for _, away := range []bool{false, true} {
		id := l.rings(false)
		l.sends(customer, shop, said("I'm calling you"))
		l.until("text of the caller", func() bool { return len(l.messages()) > 0 })
		l.stop()
		if away {
			l.hangsUp(id)
		}
		l.openStore()
		l.start()
		if !away {
			l.hangsUp(id)
		}
		if m := l.stored(id, anything).Message; m.Kind != tideline.KindCall || m.Status != tideline.CallMissed {
			t.Errorf("hung up while away %t: stored %+v, want a missed call", away, m)
		}
	}
	// All of it while away.
	l.stop()
	id := l.rings(false)
	l.hangsUp(id)
	l.openStore()
	l.start()
	l.stored(id, anything)
	calls := map[string]int{}
	for _, v := range l.messages() {
		if v.Message.Kind == tideline.KindCall {
			calls[v.Message.WhatsAppID]++
		}
	}
	if len(calls) != 3 {
		t.Errorf("%d calls are stored, want 3", len(calls))
	}
	for id, n := range calls {
		if n != 1 {
			t.Errorf("call %s is stored %d times", id, n)
		}
	}
}
