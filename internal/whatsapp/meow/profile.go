package meow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// Group implements whatsapp.Connector.
func (c *Connector) Group(ctx context.Context, device string, group tideline.JID) (tideline.Group, error) {
	g := tideline.Group{JID: group}
	s := c.lookup(device)
	if s == nil || !s.active() {
		return g, whatsapp.ErrOffline
	}
	jid, err := types.ParseJID(string(group))
	if err != nil || jid.Server != types.GroupServer {
		return g, fmt.Errorf("%q is not the JID of a group", group.Server())
	}
	info, err := ask(ctx, c, func(ctx context.Context) (*types.GroupInfo, error) { return s.cli.GetGroupInfo(ctx, jid) })
	if errors.Is(err, whatsmeow.ErrNotInGroup) || errors.Is(err, whatsmeow.ErrGroupNotFound) {
		g.Bar = tideline.BarLeft
		return g, nil
	}
	if err != nil {
		return g, profileError("ask for a group", err)
	}
	g.Subject = info.Name
	own := tideline.GroupNormal
	for _, p := range info.Participants {
		m := tideline.GroupMember{Role: roleOf(&p)}
		if m.Peer, err = s.peer(ctx, p.JID, otherAddress(&p)); err == nil {
			m.Peer.Name, err = s.contactName(ctx, m.Peer, "")
		}
		if err != nil {
			return g, err
		}
		if p.PhoneNumber.User == s.jid.User || p.JID.User == s.jid.User || p.LID.User == s.lid.User && p.LID.User != "" {
			own = m.Role
		}
		g.Members = append(g.Members, m)
	}
	if info.IsAnnounce && own == tideline.GroupNormal {
		g.Bar = tideline.BarAdminsOnly
	}
	return g, nil
}

// otherAddress is the second address of a member, as far as the group says it.
func otherAddress(p *types.GroupParticipant) types.JID {
	if p.JID.Server == types.HiddenUserServer {
		return p.PhoneNumber
	}
	return p.LID
}

func roleOf(p *types.GroupParticipant) tideline.GroupRole {
	switch {
	case p.IsSuperAdmin:
		return tideline.GroupOwner
	case p.IsAdmin:
		return tideline.GroupAdmin
	}
	return tideline.GroupNormal
}

// Picture implements whatsapp.Connector.
func (c *Connector) Picture(ctx context.Context, device string, of tideline.Peer, known string, limit int64, w io.Writer) (string, error) {
	s := c.lookup(device)
	if s == nil || !s.active() {
		return "", whatsapp.ErrOffline
	}
	jid, err := types.ParseJID(string(of.Address()))
	if err != nil || jid.User == "" {
		return "", fmt.Errorf("%q is not the JID of a contact or group", of.Address().Server())
	}
	info, err := ask(ctx, c, func(ctx context.Context) (*types.ProfilePictureInfo, error) {
		return s.cli.GetProfilePictureInfo(ctx, jid, &whatsmeow.GetProfilePictureParams{ExistingID: known})
	})
	switch {
	case errors.Is(err, whatsmeow.ErrProfilePictureNotSet), errors.Is(err, whatsmeow.ErrProfilePictureUnauthorized):
		return "", whatsapp.ErrNoPicture
	case err != nil:
		return "", profileError("ask for a picture", err)
	case info == nil || info.ID == known:
		return known, nil
	}
	return info.ID, c.copyPicture(ctx, info.URL, limit, w)
}

// copyPicture fetches a picture, which is not encrypted.
func (c *Connector) copyPicture(ctx context.Context, address string, limit int64, w io.Writer) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" {
		return errors.New("WhatsApp's link to a picture is not one to https")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errors.New("WhatsApp's link to a picture can't be followed")
	}
	resp, err := c.net.pictures.Do(req)
	if err != nil {
		return profileError("fetch a picture", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		return whatsapp.ErrNoPicture // it was changed meanwhile, which brings news
	default:
		return fmt.Errorf("fetch a picture: WhatsApp answered with HTTP status %d", resp.StatusCode)
	}
	n, err := io.Copy(w, io.LimitReader(resp.Body, limit+1))
	switch {
	case n > limit:
		return whatsapp.ErrMediaTooLarge
	case err != nil:
		return fmt.Errorf("fetch a picture: %w", err)
	}
	return nil
}

// profileError says what failed without the address, which is nobody's business.
func profileError(what string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ContactNames implements whatsapp.Connector.
func (c *Connector) ContactNames(ctx context.Context, device string, contacts []tideline.Peer) ([]string, error) {
	s, err := c.reader(ctx, device)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(contacts))
	for i, p := range contacts {
		jid, parseErr := types.ParseJID(string(p.Address()))
		if parseErr != nil {
			continue // nobody's address
		}
		if p, err = s.peer(ctx, jid, types.EmptyJID); err == nil {
			names[i], err = s.contactName(ctx, p, "")
		}
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}
