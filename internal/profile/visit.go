package profile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/file"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// visit asks WhatsApp about one chat and stores what it says. It reports whether
// WhatsApp answered; the error is storage's.
func (s *Service) visit(ctx context.Context, p store.Profile) (answered bool, err error) {
	asked, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	gone := false
	if p.Chat.JID.IsGroup() {
		g, err := s.deps.Connector.Group(asked, p.DeviceJID, p.Chat.JID)
		if err != nil {
			return s.later(ctx, p, err)
		}
		if err := s.deps.Store.PutGroup(ctx, p.WorkspaceID, p.ChatID, cleaned(g)); err != nil {
			return true, missed(err)
		}
		gone = g.Bar == tideline.BarLeft
	}
	var news *store.Picture
	if !gone { // nobody shows pictures to those outside
		if news, err = s.picture(asked, p); err != nil {
			return s.later(ctx, p, err)
		}
	}
	return true, s.finish(ctx, p, news)
}

// finish stores that WhatsApp answered, also while the server stops: storage may
// commit what nobody waits for any more, and then the bytes of the picture must
// stay. While it is not known whether it did, they stay, too.
func (s *Service) finish(ctx context.Context, p store.Profile, news *store.Picture) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	err := s.deps.Store.FinishProfile(ctx, p, time.Now(), news)
	if err != nil && ctx.Err() == nil && news != nil && news.File != nil {
		s.deps.Files.Discard(ctx, *news.File)
	}
	return missed(err)
}

// cleaned makes of a group what can be stored.
func cleaned(g tideline.Group) tideline.Group {
	g.Subject = tideline.CleanName(g.Subject)
	for i := range g.Members {
		g.Members[i].Peer.Name = tideline.CleanName(g.Members[i].Peer.Name)
	}
	return g
}

// picture fetches a chat's picture if it is another one than that which is
// known; nil when it is not.
func (s *Service) picture(ctx context.Context, p store.Profile) (*store.Picture, error) {
	var data bytes.Buffer
	id, err := s.deps.Connector.Picture(ctx, p.DeviceJID, p.Chat, p.PictureID, maxPicture, &data)
	switch {
	case errors.Is(err, whatsapp.ErrNoPicture), errors.Is(err, whatsapp.ErrMediaTooLarge):
		if p.PictureID == "" {
			return nil, nil
		}
		return &store.Picture{}, nil
	case err != nil:
		return nil, err
	case id == p.PictureID:
		return nil, nil
	}
	f, err := s.deps.Files.KeepReceived(ctx, file.Received{
		WorkspaceID: p.WorkspaceID, Stem: "photo", MIMEType: "image/jpeg",
		Write: func(_ context.Context, w io.Writer) error {
			_, err := data.WriteTo(w)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(f.MIMEType, "image/") {
		s.deps.Files.Discard(ctx, f)
		s.log.WarnContext(ctx, "whatsapp gave a picture that is none", "chat", p.ChatID, "type", f.MIMEType)
		return &store.Picture{ID: id}, nil
	}
	return &store.Picture{ID: id, File: &f}, nil
}

// later postpones a chat about which WhatsApp did not answer, or gives up until
// there is news. An account that is not connected could not even be asked for:
// then the chat stays due.
func (s *Service) later(ctx context.Context, p store.Profile, why error) (bool, error) {
	if ctx.Err() != nil || errors.Is(why, whatsapp.ErrOffline) {
		return false, nil
	}
	if p.Attempts+1 >= maxAttempts {
		s.log.WarnContext(ctx, "gave up asking about a chat until there is news", "chat", p.ChatID, "attempts", p.Attempts+1, "err", why)
		return false, missed(s.deps.Store.FinishProfile(ctx, p, time.Now(), nil))
	}
	s.log.InfoContext(ctx, "not told about a chat yet", "chat", p.ChatID, "attempts", p.Attempts+1, "err", why)
	return false, missed(s.deps.Store.PostponeProfile(ctx, p, time.Now().Add(min(s.cfg.RetryMax, s.cfg.RetryFirst<<p.Attempts))))
}

// missed makes nothing of a chat that was taken over meanwhile.
func missed(err error) error {
	if tideline.IsCode(err, tideline.CodeNotFound) {
		return nil
	}
	return err
}

// nameNew gives chats that sends made the names that their contacts have in the
// owner's address book, and has groups among them asked about. A chat that a
// message made is named already, and perhaps anew meanwhile: the client library
// notes a new name only after it has passed the message on.
func (s *Service) nameNew(ctx context.Context) error {
	const page = 500
	for ctx.Err() == nil {
		chats, err := s.deps.Store.NewChats(ctx, page)
		if err != nil || len(chats) == 0 {
			return err
		}
		byAccount := make(map[int64][]store.NewChat)
		for _, c := range chats {
			if c.DeviceJID != "" && !c.Chat.JID.IsGroup() && !c.Named {
				byAccount[c.AccountID] = append(byAccount[c.AccountID], c)
			}
		}
		for _, list := range byAccount {
			if err := s.nameChats(ctx, list); err != nil {
				return err
			}
		}
		if err := s.deps.Store.SeenChats(ctx, chats[len(chats)-1].ChatID, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// nameChats gives chats of one account the names of their contacts. That names
// can't be read is no error: they come when the contacts write.
func (s *Service) nameChats(ctx context.Context, chats []store.NewChat) error {
	contacts := make([]tideline.Peer, len(chats))
	for i, c := range chats {
		contacts[i] = c.Chat
	}
	names, err := s.deps.Connector.ContactNames(ctx, chats[0].DeviceJID, contacts)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, whatsapp.ErrNoSession) {
			s.log.WarnContext(ctx, "names of contacts not read", "account", chats[0].AccountID, "err", err)
		}
		return nil
	}
	for i := range contacts {
		contacts[i].Name = tideline.CleanName(names[i])
	}
	return missed(s.deps.Store.NameContacts(ctx, chats[0].WorkspaceID, chats[0].AccountID, contacts))
}
