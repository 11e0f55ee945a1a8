package meow

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	newsBatch = 500 // contacts that the handler is told of at once
	newsTries = 10  // before the handler is not told of contacts
)

// altered passes on that a group or contact must be asked for. False keeps
// WhatsApp from being answered, so that it tells it again.
func (s *session) altered(jid types.JID) bool {
	ctx := s.c.ctx
	peer := tideline.Peer{JID: tideline.JID(jid.String())}
	if jid.Server != types.GroupServer {
		var err error
		if peer, err = s.peer(ctx, jid.ToNonAD(), types.EmptyJID); err != nil {
			s.c.log.Warn("news of a contact not understood", "session", s.label, "err", err)
			return true
		}
		if peer.Address() == "" {
			return true // a channel or the like
		}
	}
	if err := s.tell(whatsapp.News{Changed: []tideline.Peer{peer}}); err != nil {
		s.c.log.Error("news of a chat not stored; whatsapp will repeat it", "session", s.label, "err", err)
		s.repeatLater()
		return false
	}
	return true
}

// filed passes on the name that the owner gave a contact in the address book.
func (s *session) filed(e *events.Contact) {
	name := cmp.Or(strings.TrimSpace(e.Action.GetFullName()), strings.TrimSpace(e.Action.GetFirstName()))
	other, err := types.ParseJID(e.Action.GetLidJID())
	if err != nil {
		other = types.EmptyJID
	}
	peer, err := s.peer(s.c.ctx, e.JID.ToNonAD(), other)
	if err == nil && name != "" && peer.Address() != "" {
		peer.Name = name
		err = s.tell(whatsapp.News{Contacts: []tideline.Peer{peer}})
	}
	if err != nil {
		s.c.log.Warn("name of a contact not stored; it is when the contact writes", "session", s.label, "err", err)
	}
}

// allFiled passes on the whole address book. A full sync comes without an event
// for each contact.
func (s *session) allFiled() {
	ctx := s.ctx
	contacts, err := s.contacts.GetAllContacts(ctx)
	if err != nil {
		s.c.log.Warn("read the address book", "session", s.label, "err", err)
		return
	}
	var batch []tideline.Peer
	flush := func() {
		if err := s.tellPatiently(ctx, whatsapp.News{Contacts: batch}); err != nil && ctx.Err() == nil {
			s.c.log.Warn("names of contacts not stored; they are when the contacts write", "session", s.label, "err", err)
		}
		batch = nil
	}
	for jid, c := range contacts {
		name := filedName(&c)
		if name == "" || ctx.Err() != nil {
			continue
		}
		peer, err := s.peer(ctx, jid, types.EmptyJID)
		if err != nil || peer.Address() == "" {
			continue
		}
		peer.Name = name
		if batch = append(batch, peer); len(batch) == newsBatch {
			flush()
		}
	}
	if len(batch) > 0 {
		flush()
	}
}

// tellPatiently calls the handler until it succeeds, for a while. The address book
// comes right after pairing, when the account may not be stored yet.
func (s *session) tellPatiently(ctx context.Context, n whatsapp.News) (err error) {
	for range newsTries {
		if err = s.tell(n); err == nil {
			return nil
		}
		select {
		case <-time.After(s.c.opts.RedeliverAfter):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// tell calls the handler.
func (s *session) tell(n whatsapp.News) error {
	return s.pass(func() error { return s.c.handler.News(s.c.ctx, s.device, n) })
}

// filedName is the name that the owner gave a contact; "" for none.
func filedName(c *types.ContactInfo) string {
	return cmp.Or(strings.TrimSpace(c.FullName), strings.TrimSpace(c.FirstName))
}

// contactName is what a person is called: by the owner's address book, by
// itself just now, or by itself before; "" when all are silent.
func (s *session) contactName(ctx context.Context, p tideline.Peer, now string) (string, error) {
	said := ""
	for _, address := range []tideline.JID{p.JID, p.LID} {
		jid, err := types.ParseJID(string(address))
		if address == "" || err != nil {
			continue
		}
		c, err := s.contacts.GetContact(ctx, jid)
		if err != nil {
			return "", fmt.Errorf("look a contact up: %w", err)
		}
		if name := filedName(&c); name != "" {
			return name, nil
		}
		said = cmp.Or(said, pushName(c.PushName), c.BusinessName)
	}
	return cmp.Or(now, said), nil
}
