package meow

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// past hands out a chunk in parts.
type past struct {
	s     *session
	take  func(context.Context, whatsapp.HistoryPart) error
	since time.Time // what is older is left out
	names map[string]string

	part    whatsapp.HistoryPart
	entries int // in part
}

// begin takes what precedes the chats: what the library wants to know (as in
// message.go, DownloadHistorySync), and who is who.
func (p *past) begin(ctx context.Context, h *waHistorySync.HistorySync) error {
	p.since = time.Now().Add(-p.s.c.opts.History)
	//nolint:staticcheck // marked deprecated only to frighten; the library does the same when it reads a history itself
	lib := p.s.cli.DangerousInternals()
	if err := lib.StoreNCTSalt(ctx, h.GetNctSalt()); err != nil {
		p.s.c.log.Debug("store the salt of a history", "device", p.s.device, "err", err)
	}
	if len(h.GetPhoneNumberToLidMappings()) > 0 {
		lib.StoreHistoricalPNLIDMappings(ctx, h.GetPhoneNumberToLidMappings())
	}
	if len(h.GetPushnames()) > 0 {
		lib.HandleHistoricalPushNames(ctx, h.GetPushnames())
	}
	if h.GlobalSettings != nil {
		lib.StoreGlobalSettings(ctx, h.GlobalSettings)
	}
	if h.CompanionMetaNonce != nil {
		lib.StoreCompanionMetaNonce(ctx, h.GetCompanionMetaNonce())
	}
	var contacts []tideline.Peer
	for _, m := range h.GetPhoneNumberToLidMappings() {
		if c, ok, err := p.contact(ctx, m.GetLidJID(), m.GetPnJID(), ""); err != nil {
			return err
		} else if ok && c.JID != "" && c.LID != "" {
			contacts = append(contacts, c)
		}
	}
	for _, n := range h.GetPushnames() {
		if c, ok, err := p.contact(ctx, n.GetID(), "", pushName(n.GetPushname())); err != nil {
			return err
		} else if ok && c.Name != "" {
			contacts = append(contacts, c)
		}
	}
	for some := range slices.Chunk(contacts, whatsapp.MaxHistoryPart) {
		if err := p.take(ctx, whatsapp.HistoryPart{Contacts: some}); err != nil {
			return err
		}
	}
	return nil
}

// contact gives a person by one or both addresses; false for what is none.
func (p *past) contact(ctx context.Context, jid, alt, name string) (tideline.Peer, bool, error) {
	is := parsed(jid)
	switch is.Server {
	case types.DefaultUserServer, types.LegacyUserServer, types.HiddenUserServer:
	default:
		return tideline.Peer{}, false, nil
	}
	c, err := p.s.peer(ctx, is, parsed(alt))
	c.Name = name
	return c, c.Address() != "", err
}

// parsed gives a JID; empty when text is none.
func parsed(text string) types.JID {
	if text == "" {
		return types.EmptyJID
	}
	jid, err := types.ParseJID(text)
	if err != nil {
		return types.EmptyJID
	}
	return jid.ToNonAD()
}

// chat takes a chat with its messages.
func (p *past) chat(ctx context.Context, c *waHistorySync.Conversation) error {
	jid := parsed(c.GetID())
	if !conversation(&types.MessageInfo{MessageSource: types.MessageSource{Chat: jid}}) || jid.Server == types.BroadcastServer {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	//nolint:staticcheck // as in begin
	p.s.cli.DangerousInternals().StoreHistoricalMessageSecrets(ctx, []*waHistorySync.Conversation{c})
	is := tideline.Peer{JID: domainJID(jid)}
	if jid.Server != types.GroupServer {
		alt := parsed(c.GetPnJID())
		if jid.Server != types.HiddenUserServer {
			alt = parsed(c.GetLidJID())
		}
		p.s.cli.StoreLIDPNMapping(ctx, jid, alt)
		var err error
		if is, err = p.s.peer(ctx, jid, alt); err != nil {
			return err
		}
	}
	is.Name = strings.TrimSpace(c.GetName())
	if is.Name == "" {
		is.Name = strings.TrimSpace(c.GetDisplayName())
	}
	if is.Name == "" && jid.Server != types.GroupServer {
		is.Name = p.nameOf(ctx, is)
	}
	messages := make([]*waWeb.WebMessageInfo, 0, len(c.GetMessages()))
	for _, m := range slices.Backward(c.GetMessages()) { // the latest comes first
		if m.GetMessage() != nil {
			messages = append(messages, m.GetMessage())
		}
	}
	slices.SortStableFunc(messages, func(a, b *waWeb.WebMessageInfo) int {
		return cmp.Compare(a.GetMessageTimestamp(), b.GetMessageTimestamp())
	})
	unread := unreadOf(c)
	for _, m := range messages {
		entries, err := p.entriesOf(ctx, jid, is, m)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := p.add(ctx, is, unread, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// unreadOf is how many messages the owner has not read. A chat that was marked as
// unread by hand has none, or one that is no number: then one.
func unreadOf(c *waHistorySync.Conversation) int {
	const most = 1 << 20
	n := c.GetUnreadCount()
	if c.GetMarkedAsUnread() && n == 0 || n > most {
		return 1
	}
	return int(n)
}

// add puts an entry into the part, which is handed out when it is full.
func (p *past) add(ctx context.Context, chat tideline.Peer, unread int, e whatsapp.HistoryEntry) error {
	if p.entries >= whatsapp.MaxHistoryPart {
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	chats := p.part.Chats
	if n := len(chats); n == 0 || chats[n-1].Peer != chat {
		chats = append(chats, whatsapp.HistoryChat{Peer: chat, Unread: unread})
	}
	last := &chats[len(chats)-1]
	last.Entries = append(last.Entries, e)
	p.part.Chats = chats
	p.entries++
	return nil
}

// flush hands the part out.
func (p *past) flush(ctx context.Context) error {
	if p.entries == 0 {
		return nil
	}
	part := p.part
	p.part, p.entries = whatsapp.HistoryPart{}, 0
	return p.take(ctx, part)
}

// entriesOf says what a message of a chat means: mostly itself and the reactions
// to it. Nothing for what phones don't show, and for what never left the phone.
func (p *past) entriesOf(ctx context.Context, jid types.JID, chat tideline.Peer, m *waWeb.WebMessageInfo) ([]whatsapp.HistoryEntry, error) {
	e, err := p.s.cli.ParseWebMessage(jid, m)
	if err != nil {
		p.s.c.log.Debug("message of a history left out", "device", p.s.device, "err", err)
		return nil, nil
	}
	// The library puts an edited message in the place of its edit.
	e.Info.ID, e.Message = m.GetKey().GetID(), m.GetMessage()
	if e.Info.ID == "" || e.Info.Timestamp.Before(p.since) {
		return nil, nil
	}
	base := whatsapp.HistoryEntry{Inbound: whatsapp.Inbound{ID: e.Info.ID, Chat: chat, FromMe: e.Info.IsFromMe, At: e.Info.Timestamp}}
	if base.FromMe {
		if base.Status = statusOf(m); base.Status == "" {
			return nil, nil
		}
	} else if base.Sender, err = p.sender(ctx, chat, e.Info.Sender, pushName(m.GetPushName())); err != nil {
		return nil, err
	}
	entries := said(base, e, m)
	if len(entries) == 0 {
		return nil, nil
	}
	for _, r := range m.GetReactions() {
		in := whatsapp.Inbound{ID: r.GetKey().GetID(), Chat: chat, FromMe: r.GetKey().GetFromMe(), At: base.At}
		if !in.FromMe {
			who := jid
			if jid.Server == types.GroupServer {
				who = parsed(r.GetKey().GetParticipant())
			}
			if in.Sender, err = p.sender(ctx, chat, who, ""); err != nil {
				return nil, err
			}
			if in.Sender.Address() == "" {
				continue
			}
		}
		at := reactedAt(r.GetSenderTimestampMS(), time.Now())
		if r.GetSenderTimestampMS() <= 0 {
			at = base.At
		}
		in.Reaction = &whatsapp.Reacted{MessageID: base.ID, Emoji: r.GetText(), At: at}
		entries = append(entries, whatsapp.HistoryEntry{Inbound: in})
	}
	return entries, nil
}

// said converts a message like one that comes live. An edit comes with the new
// text, and the message that it changed may have been replaced by it; so it is
// both, the message and the change, and the first is known if it is there.
func said(base whatsapp.HistoryEntry, e *events.Message, m *waWeb.WebMessageInfo) []whatsapp.HistoryEntry {
	if e.Message == nil {
		switch m.GetMessageStubType() {
		case waWeb.WebMessageInfo_REVOKE, waWeb.WebMessageInfo_ADMIN_REVOKE:
			base.Delete, base.Status = &whatsapp.Deleted{MessageID: base.ID}, ""
			return []whatsapp.HistoryEntry{base}
		}
		return nil
	}
	in, ok := convert(e)
	if !ok {
		return nil
	}
	one := base
	one.Content, one.Reaction, one.Edit, one.Delete = in.Content, in.Reaction, in.Edit, in.Delete
	if one.Content == nil {
		one.Status = ""
	}
	if in.Edit == nil {
		return []whatsapp.HistoryEntry{one}
	}
	before := base
	before.ID = in.Edit.MessageID
	before.Content = convertContent(unwrap(unwrap(e.Message).GetProtocolMessage().GetEditedMessage()))
	return []whatsapp.HistoryEntry{before, one}
}

// statusOf says how far a message of the account has come; "" for one that never
// left the phone.
func statusOf(m *waWeb.WebMessageInfo) tideline.Status {
	if m.Status == nil {
		return tideline.StatusSent
	}
	switch m.GetStatus() {
	case waWeb.WebMessageInfo_SERVER_ACK:
		return tideline.StatusSent
	case waWeb.WebMessageInfo_DELIVERY_ACK:
		return tideline.StatusDelivered
	case waWeb.WebMessageInfo_READ, waWeb.WebMessageInfo_PLAYED:
		return tideline.StatusRead
	}
	return ""
}

// sender says who wrote in a chat.
func (p *past) sender(ctx context.Context, chat tideline.Peer, jid types.JID, name string) (tideline.Peer, error) {
	is := chat
	if chat.JID.IsGroup() {
		var err error
		if is, err = p.s.peer(ctx, jid, types.EmptyJID); err != nil {
			return is, err
		}
	}
	if is.Name = name; name == "" {
		is.Name = p.nameOf(ctx, is)
	} else {
		p.names[string(is.Address())] = name
	}
	return is, nil
}

// nameOf gives the name under which the library knows a person; "" for none.
func (p *past) nameOf(ctx context.Context, who tideline.Peer) string {
	key := string(who.Address())
	if name, asked := p.names[key]; asked || key == "" {
		return name
	}
	name := ""
	for _, jid := range []tideline.JID{who.JID, who.LID} {
		if jid == "" || name != "" {
			continue
		}
		c, err := p.s.contacts.GetContact(ctx, parsed(string(jid)))
		if err != nil {
			continue // a name is not worth a failure
		}
		for _, n := range []string{c.FullName, c.PushName, c.BusinessName} {
			if name == "" {
				name = pushName(n)
			}
		}
	}
	p.names[key] = name
	return name
}
