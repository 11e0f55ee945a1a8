package storetest

import (
	"context"
	"time"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// auditedEntries go on after auditedCalls: how members come in, and what is done
// with queues.
var auditedEntries = []auditedCall{
	{"CreateLink", func(ctx context.Context, w *world, s *scene) (err error) {
		s.cat, _, err = w.store.Invite(context.WithoutCancel(ctx), invitee(w, "eve@x.y", tideline.RoleAgent), "", -1)
		w.must(err)
		return w.store.CreateLink(ctx, tideline.Link{WorkspaceID: w.ws.ID, MemberID: s.cat.ID, Purpose: tideline.LinkInvitation,
			CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}, [32]byte{77})
	}, []string{
		`member.invited member "eve@x.y <eve@x.y>" role:""→"agent" team:""→"Default"`,
		`member.link_created member "eve@x.y <eve@x.y>" purpose:""→"invitation"`,
	}},
	{"UpdateSelf", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.UpdateSelf(ctx, w.ws.ID, s.cat.ID, store.SelfUpdate{DisplayName: ptr("Eve"), Language: ptr("es")})
		return err
	}, []string{`member.changed member "Eve <eve@x.y>" name:"eve@x.y"→"Eve"`}},
	{"UpdateSelf of the language", func(ctx context.Context, w *world, s *scene) error {
		_, err := w.store.UpdateSelf(ctx, w.ws.ID, s.cat.ID, store.SelfUpdate{Language: ptr("en")})
		return err
	}, nil},
	{"SetPassword", func(ctx context.Context, w *world, s *scene) error {
		return w.store.SetPassword(ctx, w.ws.ID, w.owner.ID, "$argon2id$hidden", 0)
	}, []string{`member.password_changed member "Owner of first <first@example.com>"`}},
	{"PauseAccount", func(ctx context.Context, w *world, _ *scene) error {
		return w.store.PauseAccount(ctx, w.ws.ID, w.acc.ID, "ben", w.now)
	}, []string{`account.paused account "Shop +14840000001"`}},
	{"PauseAccount again", func(ctx context.Context, w *world, _ *scene) error {
		return w.store.PauseAccount(ctx, w.ws.ID, w.acc.ID, "ben", w.now)
	}, nil},
	{"ResumeAccount", func(ctx context.Context, w *world, _ *scene) error {
		return w.store.ResumeAccount(ctx, w.ws.ID, w.acc.ID, w.now)
	}, []string{`account.resumed account "Shop +14840000001"`}},
	{"ResumeAccount again", func(ctx context.Context, w *world, _ *scene) error {
		return w.store.ResumeAccount(ctx, w.ws.ID, w.acc.ID, w.now)
	}, nil},
	{"SetRetention", func(ctx context.Context, w *world, _ *scene) error {
		return w.store.SetRetention(ctx, w.ws.ID, tideline.Retention{Messages: 365, Files: tideline.KeepDefault, Archive: tideline.ArchiveFiles}, w.now)
	}, []string{`workspace.changed workspace "New" keep_messages:"default"→"365d" archive:"default"→"files"`}},
	{"SetRetention to the same", func(ctx context.Context, w *world, _ *scene) error {
		return w.store.SetRetention(ctx, w.ws.ID, tideline.Retention{Messages: 365, Files: tideline.KeepDefault, Archive: tideline.ArchiveFiles}, w.now)
	}, nil},
	{"PutFirst and CancelQueued", func(ctx context.Context, w *world, _ *scene) error {
		_, first := w.accept()
		_, second := w.accept()
		w.must(w.store.PutFirst(ctx, w.ws.ID, second.MessageID))
		_, err := w.store.CancelQueued(ctx, w.ws.ID, w.acc.ID, []int64{first.MessageID, second.MessageID}, "no", w.now)
		return err
	}, []string{`queue.promoted account "Shop +14840000001"`, `queue.cancelled account "Shop +14840000001" messages:""→"2"`}},
	{"CancelQueued of nothing", func(ctx context.Context, w *world, _ *scene) error {
		_, err := w.store.CancelQueued(ctx, w.ws.ID, w.acc.ID, []int64{4711}, "no", w.now)
		return err
	}, nil},
}
