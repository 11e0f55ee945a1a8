package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// insertProfiles makes a chat one that WhatsApp is asked about, and one that was
// asked about long ago due again.
var insertProfiles = newInsert(`profiles (chat_id, workspace_id, account_id, due_at)`, "(?, ?, ?, ?)",
	` ON CONFLICT (chat_id) DO UPDATE SET due_at = excluded.due_at, generation = profiles.generation + 1
	WHERE profiles.due_at IS NULL AND profiles.checked_at < excluded.due_at - `+strconv.FormatInt(store.ProfileLife.Milliseconds(), 10))

// enrol has WhatsApp asked about the chats of new messages, and keeps the names
// by which members of groups go.
func (r *reception) enrol(ctx context.Context) error {
	rows := make(map[int64][]any)
	for _, j := range r.messages {
		in, c := j.receive, r.chats[j]
		rows[c.id] = []any{c.id, in.WorkspaceID, in.AccountID, in.ReceivedAt.UnixMilli()}
		if in.FromMe || in.Sender.Name == "" || !c.jid.IsGroup() {
			continue
		}
		n, err := r.t.exec(ctx, `UPDATE group_members SET name = $1 WHERE chat_id = $2 AND workspace_id = $3 AND name <> $1
			AND (jid = $4 AND jid <> '' OR lid = $5 AND lid <> '')`,
			in.Sender.Name, c.id, in.WorkspaceID, string(in.Sender.JID), string(in.Sender.LID))
		if err != nil {
			return err
		}
		if n > 0 {
			r.t.tellChat(in.WorkspaceID, in.AccountID, c.id)
		}
	}
	var args []any
	for _, id := range sortedKeys(rows) {
		args = append(args, rows[id]...)
	}
	return r.t.execAll(ctx, insertProfiles, args)
}

// LookAgain implements store.Profiles.
func (s *Store) LookAgain(ctx context.Context, workspaceID, accountID int64, chat tideline.Peer, at time.Time, pause time.Duration) error {
	return s.write(ctx, "look again", s.fenced(func(ctx context.Context, t *tx) error {
		var ids []int64
		err := t.each(ctx, `SELECT c.id FROM chats c WHERE c.workspace_id = $1 AND c.account_id = $2 AND c.jid = $3
			UNION SELECT c.id FROM chats c WHERE c.workspace_id = $1 AND c.account_id = $2 AND c.lid = $4 AND c.lid <> '' ORDER BY 1`,
			[]any{workspaceID, accountID, string(chat.JID), string(chat.LID)}, func(r *sql.Rows) error {
				var id int64
				err := r.Scan(&id)
				ids = append(ids, id)
				return err
			})
		if err != nil {
			return err
		}
		for _, id := range ids {
			n, err := t.exec(ctx, `UPDATE profiles SET generation = generation + 1, attempts = 0, due_at = CASE
				WHEN checked_at IS NULL OR checked_at + $1 < $2 THEN CAST($2 AS BIGINT) ELSE checked_at + $1 END
				WHERE chat_id = $3 AND workspace_id = $4`, pause.Milliseconds(), at.UnixMilli(), id, workspaceID)
			if err != nil {
				return err
			}
			if n == 0 && chat.JID.IsGroup() {
				if err := t.execAll(ctx, insertProfiles, []any{id, workspaceID, accountID, at.UnixMilli()}); err != nil {
					return err
				}
			}
		}
		return nil
	}, accountID))
}

// LookAtGroups implements store.Profiles.
func (s *Store) LookAtGroups(ctx context.Context, workspaceID, accountID int64, at time.Time) error {
	return s.write(ctx, "look at groups", s.fenced(func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO profiles (chat_id, workspace_id, account_id, due_at)
			SELECT c.id, c.workspace_id, c.account_id, CAST($1 AS BIGINT) FROM chats c
			WHERE c.workspace_id = $2 AND c.account_id = $3 AND c.jid LIKE '%@`+tideline.ServerGroup+`' ORDER BY c.id
			ON CONFLICT (chat_id) DO UPDATE SET due_at = excluded.due_at, generation = profiles.generation + 1, attempts = 0`,
			at.UnixMilli(), workspaceID, accountID)
		return err
	}, accountID))
}

// DueProfiles implements store.Profiles.
func (s *Store) DueProfiles(ctx context.Context, now time.Time, resting []int64, limit int) ([]store.Profile, error) {
	return s.DueProfilesFrom(ctx, now, resting, 0, limit)
}

// DueProfilesFrom implements store.SharedWork.
func (s *Store) DueProfilesFrom(ctx context.Context, now time.Time, resting []int64, offset, limit int) ([]store.Profile, error) {
	c := &conditions{}
	c.add(`p.due_at <= ?`, now.UnixMilli())
	c.add(`a.removed_at IS NULL`)
	c.add(`a.state = ?`, string(tideline.AccountActive))
	for _, id := range resting {
		c.add(`p.account_id <> ?`, id)
	}
	query := `SELECT p.chat_id, p.workspace_id, p.account_id, a.device_jid, c.jid, c.lid, p.picture_id, p.attempts, p.generation
		FROM profiles p JOIN chats c ON c.id = p.chat_id JOIN accounts a ON a.id = p.account_id AND a.workspace_id = p.workspace_id
		WHERE ` + c.String() + ` ORDER BY p.due_at, p.chat_id LIMIT ` + c.param(limit) + ` OFFSET ` + c.param(offset)
	var due []store.Profile
	err := s.reader().each(ctx, query, c.args, func(r *sql.Rows) error {
		var p store.Profile
		err := r.Scan(&p.ChatID, &p.WorkspaceID, &p.AccountID, &p.DeviceJID, &p.Chat.JID, &p.Chat.LID, &p.PictureID, &p.Attempts, &p.Generation)
		p.Chat = addressed(p.Chat)
		due = append(due, p)
		return err
	})
	return due, failed("due profiles", err)
}

// addressed gives a peer whose JID is a hidden id, as a chat's is while the
// number is not known, the form that peers have.
func addressed(p tideline.Peer) tideline.Peer {
	if p.JID.IsLID() {
		p.LID, p.JID = p.JID, ""
	}
	return p
}

// FinishProfile implements store.Profiles.
func (s *Store) FinishProfile(ctx context.Context, p store.Profile, at time.Time, news *store.Picture) error {
	return s.write(ctx, "finish profile", s.fenced(func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE profiles SET attempts = 0, checked_at = $1,
			due_at = CASE WHEN generation = $2 THEN NULL ELSE due_at END WHERE chat_id = $3 AND workspace_id = $4`,
			at.UnixMilli(), p.Generation, p.ChatID, p.WorkspaceID)
		if err := mustChange(n, err, "chat"); err != nil {
			return err
		}
		if news == nil {
			return nil
		}
		t.tellChat(p.WorkspaceID, p.AccountID, p.ChatID)
		if err := t.dropPicture(ctx, p.WorkspaceID, p.ChatID); err != nil {
			return err
		}
		var file int64
		if f := news.File; f != nil {
			if file, err = t.insertFile(ctx, p.WorkspaceID, *f); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, `UPDATE profiles SET picture_id = $1, file_id = $2 WHERE chat_id = $3 AND workspace_id = $4`,
			news.ID, orNull(file), p.ChatID, p.WorkspaceID)
		return err
	}, p.AccountID))
}

// PostponeProfile implements store.Profiles.
func (s *Store) PostponeProfile(ctx context.Context, p store.Profile, due time.Time) error {
	return s.write(ctx, "postpone profile", s.fenced(func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE profiles SET attempts = attempts + 1, due_at = CASE WHEN generation = $1 THEN CAST($2 AS BIGINT) ELSE due_at END
			WHERE chat_id = $3 AND workspace_id = $4`, p.Generation, due.UnixMilli(), p.ChatID, p.WorkspaceID)
		return mustChange(n, err, "chat")
	}, p.AccountID))
}

// dropPicture takes a chat's picture away. Its bytes are removed later.
func (t *tx) dropPicture(ctx context.Context, workspaceID, chatID int64) error {
	var file int64
	err := t.one(ctx, `SELECT file_id FROM profiles WHERE chat_id = $1 AND workspace_id = $2 AND file_id IS NOT NULL`,
		[]any{chatID, workspaceID}, &file)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, query := range []string{
		`UPDATE profiles SET picture_id = '', file_id = NULL WHERE file_id = $1 AND workspace_id = $2`,
		`INSERT INTO lost_blobs (blob) SELECT f.blob FROM files f WHERE f.id = $1 AND f.workspace_id = $2 ON CONFLICT (blob) DO NOTHING`,
		`DELETE FROM files WHERE id = $1 AND workspace_id = $2`,
	} {
		if _, err := t.exec(ctx, query, file, workspaceID); err != nil {
			return err
		}
	}
	return nil
}

// mergeProfiles moves what is known of the chat from, which the chat to takes
// over. When both were asked about, what is known of the latter holds.
func (t *tx) mergeProfiles(ctx context.Context, workspaceID, to, from int64) error {
	n, err := t.exec(ctx, `UPDATE profiles SET chat_id = $1 WHERE chat_id = $2 AND workspace_id = $3
		AND NOT EXISTS (SELECT 1 FROM profiles p WHERE p.chat_id = $1)`, to, from, workspaceID)
	if err != nil || n > 0 {
		return err
	}
	if err := t.dropPicture(ctx, workspaceID, from); err != nil {
		return err
	}
	_, err = t.exec(ctx, `DELETE FROM profiles WHERE chat_id = $1 AND workspace_id = $2`, from, workspaceID)
	return err
}

// LostBlobs implements store.Profiles.
func (s *Store) LostBlobs(ctx context.Context, limit int) ([]string, error) {
	var blobs []string
	err := s.reader().each(ctx, `SELECT blob FROM lost_blobs ORDER BY blob LIMIT $1`, []any{limit}, func(r *sql.Rows) error {
		var blob string
		err := r.Scan(&blob)
		blobs = append(blobs, blob)
		return err
	})
	return blobs, failed("lost blobs", err)
}

// ForgetBlob implements store.Profiles.
func (s *Store) ForgetBlob(ctx context.Context, blob string) error {
	return s.write(ctx, "forget blob", s.fenced(func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM lost_blobs WHERE blob = $1`, blob)
		return err
	}))
}

// NewChats implements store.Profiles. Of transactions that make chats at the same
// time, one with smaller ids may be committed last and be passed over: its chats
// are looked at when something happens there.
func (s *Store) NewChats(ctx context.Context, limit int) ([]store.NewChat, error) {
	var chats []store.NewChat
	err := s.reader().each(ctx, `SELECT c.id, c.workspace_id, c.account_id,
		CASE WHEN a.removed_at IS NULL THEN a.device_jid ELSE '' END, c.jid, c.lid, c.auto_name <> ''
		FROM chats c JOIN accounts a ON a.id = c.account_id AND a.workspace_id = c.workspace_id
		WHERE c.id > (SELECT s.chat_id FROM seen_chats s WHERE s.id = 1) ORDER BY c.id LIMIT $1`, []any{limit}, func(r *sql.Rows) error {
		var c store.NewChat
		err := r.Scan(&c.ChatID, &c.WorkspaceID, &c.AccountID, &c.DeviceJID, &c.Chat.JID, &c.Chat.LID, &c.Named)
		c.Chat = addressed(c.Chat)
		chats = append(chats, c)
		return err
	})
	return chats, failed("new chats", err)
}

// SeenChats implements store.Profiles.
func (s *Store) SeenChats(ctx context.Context, last int64, at time.Time) error {
	return s.write(ctx, "seen chats", s.fenced(func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO profiles (chat_id, workspace_id, account_id, due_at)
			SELECT c.id, c.workspace_id, c.account_id, CAST($1 AS BIGINT) FROM chats c
			WHERE c.id > (SELECT s.chat_id FROM seen_chats s WHERE s.id = 1) AND c.id <= $2 AND c.jid LIKE '%@`+tideline.ServerGroup+`'
			ON CONFLICT (chat_id) DO NOTHING`, at.UnixMilli(), last); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE seen_chats SET chat_id = $1 WHERE id = 1 AND chat_id < $1`, last)
		return err
	}))
}
