package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/tidelinehq/tideline/internal/blob/local"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/store/sqlstore"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// archive reads what a server stored, from its database and its files.
type archive struct {
	store     *sqlstore.Store
	blobs     *local.Store
	workspace int64
	hashes    map[string]string // of files that were read before, by blob
}

func openArchive(ctx context.Context, s *setup) (*archive, error) {
	db, err := sqlstore.Open(ctx, sqlstore.Options{Database: s.storage(), Conns: 2})
	if err != nil {
		return nil, err
	}
	a := &archive{store: db, hashes: map[string]string{}}
	w, err := db.WorkspaceBySlug(ctx, workspaceSlug)
	if err == nil {
		a.workspace = w.ID
		a.blobs, err = local.Open(s.blobs())
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return a, nil
}

func (a *archive) close() error { return errors.Join(a.blobs.Close(), a.store.Close()) }

// busy says what the server still has to do, as far as the database knows; ""
// when it is nothing.
func (a *archive) busy(ctx context.Context) (string, error) {
	queued, err := a.store.QueueLength(ctx, a.workspace)
	if err != nil || queued > 0 {
		return fmt.Sprintf("%d messages are queued", queued), err
	}
	next, err := a.store.NextDownload(ctx)
	if err != nil || !next.IsZero() {
		return "attachments are yet to be fetched", err
	}
	return "", nil
}

const page = 500

// rows reads every message of every chat.
func (a *archive) rows(ctx context.Context) ([]row, error) {
	var all []row
	for offset := 0; ; offset += page {
		chats, more, err := a.store.ListChats(ctx, a.workspace, store.ChatFilter{}, store.Page{Offset: offset, Limit: page})
		if err != nil {
			return nil, err
		}
		for i := range chats {
			if all, err = a.chat(ctx, all, &chats[i]); err != nil {
				return nil, err
			}
		}
		if !more {
			return all, nil
		}
	}
}

// chat adds the messages of one chat.
func (a *archive) chat(ctx context.Context, all []row, c *store.ChatView) ([]row, error) {
	for offset := 0; ; offset += page {
		views, more, err := a.store.ChatMessages(ctx, a.workspace, c.Chat.ID, store.MessageFilter{}, store.Page{Offset: offset, Limit: page})
		if err != nil {
			return nil, err
		}
		for i := range views {
			r, err := a.row(ctx, &views[i])
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
		if !more {
			return all, nil
		}
	}
}

func (a *archive) row(ctx context.Context, v *store.MessageView) (row, error) {
	m := &v.Message
	r := row{
		Account: string(v.Account.Phone), Chat: string(v.Chat.Phone), UID: m.UID, ID: m.WhatsAppID, FromMe: m.FromMe,
		Ours: m.Origin != tideline.OriginWhatsApp, Kind: string(m.Kind), Text: m.Text, NoFile: m.Data[tideline.DataAttachment],
		ReplyTo: m.ReplyTo, Sender: string(m.Sender.Phone()), Status: string(m.Status), Reason: string(m.Reason),
		Deleted: !m.DeletedAt.IsZero(), Reactions: map[string]string{},
	}
	if r.Chat == "" { // a group, or a contact whose number is not known
		r.Chat = string(v.Chat.JID)
	}
	for _, one := range v.Reactions {
		who := string(one.Peer.Phone())
		if one.Own {
			who = r.Account
		}
		r.Reactions[who] = one.Emoji
	}
	var err error
	if v.File != nil {
		r.SHA256, err = a.hash(ctx, v.File.Blob)
	}
	return r, err
}

// hash reads a file's bytes.
func (a *archive) hash(ctx context.Context, blob string) (string, error) {
	if sum := a.hashes[blob]; sum != "" {
		return sum, nil
	}
	f, err := a.blobs.Open(ctx, blob)
	if err != nil {
		return "unreadable: " + err.Error(), nil // a finding, not an error of the reader
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	a.hashes[blob] = hex.EncodeToString(h.Sum(nil))
	return a.hashes[blob], nil
}

// audit gives what doesn't add up in the ledger.
func (a *archive) audit(ctx context.Context) ([]string, error) { return a.store.AuditLedger(ctx) }
