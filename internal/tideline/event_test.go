package tideline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSubscriptionsCoverTheirKinds(t *testing.T) {
	t.Parallel()
	kinds := []EventType{EventMessageSent, EventMessageReceived, EventMessageFailed, EventReaction, EventChatNew, EventChatIncoming,
		EventChatOutgoing, EventChatAssigned, EventChatUnassigned, EventAccountConnected, EventAccountDisconnected,
		EventCallMissed, EventCallEnded, EventCallOutgoingDone}
	more := map[EventType][]EventType{
		EventMessageNew: {EventMessageSent, EventMessageReceived},
		EventChatNew:    {EventChatNew, EventChatIncoming, EventChatOutgoing},
	}
	for typ := range eventTypes {
		var got []EventType
		for _, kind := range kinds {
			if typ.Covers(kind) {
				got = append(got, kind)
			}
		}
		want, ok := more[typ]
		if !ok {
			for _, kind := range kinds {
				if kind == typ {
					want = []EventType{typ}
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typ, diff)
		}
	}
	if EventMessageFailed.Subscribable() || EventType("chat:created").Subscribable() {
		t.Error("a type that the API does not have can be subscribed to")
	}
}

func TestAccountsAreAnnouncedWhenSomethingLasts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		states []AccountState
		want   []EventType
	}{
		{"paired", []AccountState{AccountConnecting, AccountActive}, []EventType{EventAccountConnected}},
		{"paired and never connected", []AccountState{AccountConnecting, AccountLoggedOut}, nil},
		{"interrupted", []AccountState{AccountActive, AccountDisconnected, AccountConnecting, AccountActive}, []EventType{EventAccountConnected}},
		{"banned", []AccountState{AccountActive, AccountDisconnected, AccountBanned, AccountBanned, AccountLoggedOut},
			[]EventType{EventAccountConnected, EventAccountDisconnected}},
		{"paired again", []AccountState{AccountActive, AccountLoggedOut, AccountConnecting, AccountActive},
			[]EventType{EventAccountConnected, EventAccountDisconnected, EventAccountConnected}},
		{"outdated and updated", []AccountState{AccountActive, AccountOutdated, AccountActive},
			[]EventType{EventAccountConnected, EventAccountDisconnected, EventAccountConnected}},
	} {
		var announced EventType
		var got []EventType
		for _, s := range test.states {
			if kind, ok := AccountEvent(announced, s); ok {
				announced = kind
				got = append(got, kind)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
