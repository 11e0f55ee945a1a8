package wasim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// maxPicture bounds a profile picture, in bytes. Clients scale theirs to far less.
const maxPicture = 1 << 20

// picture is a profile picture, of a phone or a group.
type picture struct {
	ID  string `json:"id"`
	Sum string `json:"sum"` // its name among the media
}

// keepPicture stores an image. Nil removes: the result is then nil too.
func (s *Server) keepPicture(image []byte) (*picture, error) {
	if image == nil {
		return nil, nil
	}
	if len(image) == 0 || len(image) > maxPicture {
		return nil, fmt.Errorf("wasim: a picture has 1 to %d bytes", maxPicture)
	}
	sum := sha256.Sum256(image)
	pic := &picture{ID: strconv.FormatInt(s.now().UnixNano(), 10), Sum: hex.EncodeToString(sum[:])}
	if err := s.blobs.put(pic.Sum, bytes.NewReader(image)); err != nil {
		return nil, fmt.Errorf("wasim: keep picture: %w", err)
	}
	return pic, nil
}

// SetPicture changes the phone's profile picture; nil removes it. Its own companions, and all that have
// looked the phone up or asked for its picture, are told.
func (p *Phone) SetPicture(ctx context.Context, image []byte) error {
	_, err := p.setPicture(ctx, image)
	return err
}

// SetGroupPicture changes the picture of a group that the phone is in; nil removes it. The companions of all
// members are told.
func (p *Phone) SetGroupPicture(ctx context.Context, jid types.JID, image []byte) error {
	pic, err := p.srv.keepPicture(image)
	if err != nil {
		return err
	}
	return p.srv.changeGroup(ctx, jid, p, changePicture(pic))
}

func (p *Phone) setPicture(ctx context.Context, image []byte) (*picture, error) {
	pic, err := p.srv.keepPicture(image)
	if err != nil {
		return nil, err
	}
	var e effects
	err = p.update(ctx, &e, func() error {
		p.picture = pic
		for _, d := range p.srv.companions(p) {
			p.srv.queuePicture(d, p.LID(), p.LID(), pic, &e)
		}
		p.watchMu.Lock()
		for w := range p.watchers {
			if w.dev.phone != p {
				p.srv.queuePicture(w.dev, w.addr, w.addr, pic, &e)
			}
		}
		p.watchMu.Unlock()
		return p.save(&e.batch)
	})
	if err != nil {
		return nil, fmt.Errorf("wasim: keep picture: %w", err)
	}
	return pic, nil
}

// queuePicture tells a companion of a changed picture (whatsmeow notification.go,
// handlePictureNotification).
func (s *Server) queuePicture(d *companion, whose, author types.JID, pic *picture, e *effects) {
	what := stanza.Node{Tag: "delete", Attrs: stanza.Attrs{"jid": whose, "author": author}}
	if pic != nil {
		what.Tag, what.Attrs["id"] = "set", pic.ID
	}
	id := newID()
	e.queue(d, 0, "notification", id, "picture", stanza.Node{
		Tag:     "notification",
		Attrs:   stanza.Attrs{"type": "picture", "from": whose, "id": id, "t": s.now().Unix()},
		Content: []stanza.Node{what},
	})
}

func (s *Server) announceGroupPicture(g *group, author *Phone, e *effects) {
	for _, digits := range g.Members {
		if p, ok := s.Phone(digits); ok {
			for _, d := range s.companions(p) {
				s.queuePicture(d, g.jid(), author.LID(), g.Picture, e)
			}
		}
	}
}

// changePicture sets a group's picture.
func changePicture(pic *picture) groupStep {
	return func(s *Server, actor *Phone, g *group) (stanza.Node, []string, error) {
		if g.Locked && !g.admin(actor.digits) {
			return stanza.Node{}, nil, ErrNotAdmin
		}
		g.Picture = pic
		return stanza.Node{}, nil, nil
	}
}

// iqPicture tells where a picture is, or sets one.
func (c *conn) iqPicture(n *stanza.Node, child stanza.Node) {
	whose := stanza.JID(n, "target")
	if whose.IsEmpty() {
		whose = stanza.JID(n, "to") // the server, when it's about the account itself
	}
	if stanza.Str(n, "type") == "set" {
		c.iqSetPicture(n, whose, stanza.Bytes(child))
		return
	}
	var pic *picture
	if whose.Server == types.GroupServer {
		if g := c.srv.group(whose); g != nil && g.has(c.dev.phone.digits) {
			pic = g.Picture
		}
	} else if p := c.srv.user(whose); p != nil && !p.blocks(c.dev.phone) {
		p.watch(c.dev, whose.ToNonAD())
		p.mu.Lock()
		pic = p.picture
		p.mu.Unlock()
	}
	switch {
	case pic == nil:
		c.refuse(n, 404, "item-not-found")
	case pic.ID == stanza.Str(&child, "id"):
		c.result(n, stanza.Node{Tag: "picture", Attrs: stanza.Attrs{"status": 304}})
	default:
		kind := "image"
		if stanza.Str(&child, "type") == "preview" {
			kind = "preview" // the same file: nothing is scaled here
		}
		attrs := stanza.Attrs{"id": pic.ID, "type": kind, "direct_path": blobPath(pic.Sum), "url": "https://" + c.srv.mediaHost() + blobPath(pic.Sum)}
		if raw, err := hex.DecodeString(pic.Sum); err == nil {
			attrs["hash"] = base64.StdEncoding.EncodeToString(raw)
		}
		c.result(n, stanza.Node{Tag: "picture", Attrs: attrs})
	}
}

func (c *conn) iqSetPicture(n *stanza.Node, whose types.JID, image []byte) {
	var pic *picture
	var err error
	if whose.Server == types.GroupServer {
		if pic, err = c.srv.keepPicture(image); err == nil {
			err = c.srv.changeGroup(c.ctx, whose, c.dev.phone, changePicture(pic))
		}
	} else {
		pic, err = c.dev.phone.setPicture(c.ctx, image)
	}
	switch {
	case errors.Is(err, ErrNoGroup), errors.Is(err, ErrNotMember), errors.Is(err, ErrNotAdmin):
		c.refuseGroup(n, err)
	case err != nil:
		c.refuse(n, 406, "not-acceptable")
	case pic == nil:
		c.result(n)
	default:
		c.result(n, stanza.Node{Tag: "picture", Attrs: stanza.Attrs{"id": pic.ID}})
	}
}
