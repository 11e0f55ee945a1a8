package meow

import (
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

func TestAnAcknowledgedMessageWithoutItsRecipientIsNotSent(t *testing.T) {
	t.Parallel()
	own := types.NewJID("14840000100", types.DefaultUserServer)
	to, group := types.NewJID("14840000001", types.DefaultUserServer), types.NewJID("1", types.GroupServer)
	const ownPhone, phone, laptop = "777:0", "888:0", "888:3"
	s := &session{jid: own, cli: whatsmeow.NewClient(&store.Device{ID: &own, LID: types.NewJID("777", types.HiddenUserServer)}, nil)}
	reached := func(to types.JID, read []string, written ...string) bool {
		under := &slowSessions{values: map[string]uint64{}}
		for _, a := range read[:1] { // there is a session with the own phone already
			under.values[a] = 1
		}
		ctx, turn := sendTurn(t.Context())
		defer turn.end()
		d := under.device()
		sessions, err := d.Sessions.GetManySessions(ctx, read)
		if err != nil {
			t.Fatal(err)
		}
		put := map[string][]byte{}
		for _, a := range written {
			put[a] = sessions[a]
		}
		if len(put) > 0 { // the library writes nothing when there is nothing
			if err := d.Sessions.PutManySessions(ctx, put); err != nil {
				t.Fatal(err)
			}
		}
		return s.reached(to, turn)
	}
	for _, c := range []struct {
		name    string
		to      types.JID
		written []string
		want    bool
	}{
		{"for all devices", to, []string{ownPhone, phone, laptop}, true},
		{"for the own phone only", to, []string{ownPhone}, false},
		{"for nobody", to, nil, false},
		{"again for the own phone only", to, []string{ownPhone}, false},
		{"in a group", group, []string{ownPhone}, true},
		{"for the phone, but not for a device that had no keys before either", to, []string{ownPhone, phone}, true},
	} {
		if got := reached(c.to, []string{ownPhone, phone, laptop}, c.written...); got != c.want {
			t.Errorf("%s: reached %t, want %t", c.name, got, c.want)
		}
	}
	s.keyless = nil
	if reached(to, []string{ownPhone, phone, laptop}, ownPhone, phone) {
		t.Error("a device that lacks its keys for the first time is not insisted on")
	}
}
