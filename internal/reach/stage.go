package reach

import (
	"encoding/json"
	"log/slog"

	"github.com/tidelinehq/tideline/internal/live"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// The signals. They are hints for people: nothing is stored, and what is lost is
// told again in a few seconds.
const (
	signalActivity = "activity"
	signalOpen     = "presence.open"
	signalCompose  = "presence.compose"
)

// Hub shows what people do to those who look: live.Hub.
type Hub interface{ Report(live.Activity) }

// Stage shows what people do on every node.
type Stage struct {
	nodes Nodes
	hub   Hub
}

// NewStage makes a Stage and shows here what other nodes report.
func NewStage(nodes Nodes, hub Hub, log *slog.Logger) *Stage {
	nodes.OnSignal(signalActivity, func(payload []byte) {
		var a live.Activity
		if decode(payload, &a, log) {
			hub.Report(a)
		}
	})
	return &Stage{nodes: nodes, hub: hub}
}

// Report tells those who see the chat, wherever they are connected, what somebody
// does there. It does not block.
func (s *Stage) Report(a live.Activity) {
	s.hub.Report(a)
	signal(s.nodes, signalActivity, a)
}

// Contacts shows contacts what the team does: presence.Service.
type Contacts interface {
	Open(chat tideline.Chat)
	Compose(chat tideline.Chat, memberID int64, doing live.Doing)
}

// composing is what a member does in a chat.
type composing struct {
	Chat     tideline.Chat
	MemberID int64
	Doing    live.Doing
}

// Presence carries what members do in chats to the node that is connected as
// their account. Its methods don't wait.
type Presence struct {
	nodes Nodes
	local Contacts
}

// NewPresence makes a Presence and does here what other nodes signal.
func NewPresence(nodes Nodes, local Contacts, log *slog.Logger) *Presence {
	nodes.OnSignal(signalOpen, func(payload []byte) {
		var c tideline.Chat
		if decode(payload, &c, log) && nodes.Held(c.AccountID) {
			local.Open(c)
		}
	})
	nodes.OnSignal(signalCompose, func(payload []byte) {
		var c composing
		if decode(payload, &c, log) && nodes.Held(c.Chat.AccountID) {
			local.Compose(c.Chat, c.MemberID, c.Doing)
		}
	})
	return &Presence{nodes: nodes, local: local}
}

// Open is presence.Service's.
func (p *Presence) Open(chat tideline.Chat) {
	if p.nodes.Held(chat.AccountID) {
		p.local.Open(chat)
		return
	}
	signal(p.nodes, signalOpen, chat)
}

// Compose is presence.Service's.
func (p *Presence) Compose(chat tideline.Chat, memberID int64, doing live.Doing) {
	if p.nodes.Held(chat.AccountID) {
		p.local.Compose(chat, memberID, doing)
		return
	}
	signal(p.nodes, signalCompose, composing{chat, memberID, doing})
}

func signal(nodes Nodes, kind string, v any) {
	payload, err := json.Marshal(v)
	if err != nil {
		return // plain structs: it can't be
	}
	nodes.Signal(kind, payload)
}

// decode reads a signal; one that can't be read is of another version, and lost.
func decode(payload []byte, into any, log *slog.Logger) bool {
	err := json.Unmarshal(payload, into)
	if err != nil {
		log.Debug("a signal of another node can't be read", "err", err)
	}
	return err == nil
}
