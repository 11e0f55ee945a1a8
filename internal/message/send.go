package message

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
)

// staleTries bounds how often one send is looked up again because the
// configuration changed meanwhile. Changes are made by people; a send that
// loses this often means something writes configuration in a loop.
const staleTries = 8

// Service accepts sends and reads messages. It is safe for concurrent use.
type Service struct {
	store    Storage
	refresh  Refresher
	accounts directory
	reactor  Reactor
	held     func(accountID int64) bool // see Deps
	newID    func() string
	int64N   func(int64) int64
	now      func() time.Time
}

// Deps are what a Service works with; all are required but Reactor and Int64N.
type Deps struct {
	Store        Storage
	Refresher    Refresher
	Reactor      Reactor             // nil = reactions can't be given
	NewMessageID func() string       // draws WhatsApp message ids: whatsapp.Connector.NewMessageID
	Int64N       func(n int64) int64 // uniform in [0, n), for gaps; nil = math/rand/v2
	// Held reports whether the account is this node's now, which a reaction needs; nil =
	// all are.
	Held func(accountID int64) bool
}

// New makes a Service.
func New(d Deps) *Service {
	if d.Int64N == nil {
		d.Int64N = rand.Int64N
	}
	return &Service{
		store: d.Store, refresh: d.Refresher, accounts: directory{store: d.Store},
		reactor: d.Reactor, newID: d.NewMessageID, int64N: d.Int64N, now: time.Now, held: d.Held,
	}
}

// Send accepts one message. After a nil error the message is on disk, paid for
// and in the outbox. p may be up to a second old: if anything about it changed, Send
// looks it up again and goes by what is true now.
//
// Errors: validation_error (with all wrong fields; or no connected account),
// not_found (account, chat, file, template, answered message), permission_denied, quota_exceeded,
// plan_feature_unavailable, conflict (Idempotency-Key used with another body),
// and what looking p up again may give: invalid_token, member_not_found.
func (s *Service) Send(ctx context.Context, p *tideline.Principal, r SendRequest) (Receipt, error) {
	if err := tideline.Invalid(Validate(&r)); err != nil {
		return Receipt{}, err
	}
	for range staleTries {
		receipt, err := s.try(ctx, p, &r)
		if err == nil {
			return receipt, nil
		}
		if !errors.Is(err, store.ErrStale) {
			return s.firstAnswer(ctx, p, &r, err)
		}
		fresh, err := s.refresh.Refresh(ctx, p)
		if err != nil {
			return Receipt{}, err
		}
		p = fresh
	}
	return Receipt{}, fmt.Errorf("accept message: the configuration changed %d times meanwhile", staleTries)
}

// firstAnswer gives the answer that r's Idempotency-Key had the first time, when
// it had one, instead of refusal: what has become of the account or the file
// since then does not undo what was accepted. A client that lost the first answer
// would otherwise take the message for refused and send it again.
func (s *Service) firstAnswer(ctx context.Context, p *tideline.Principal, r *SendRequest, refusal error) (Receipt, error) {
	if r.Idem == nil || tideline.IsCode(refusal, tideline.CodeInternal) {
		return Receipt{}, refusal
	}
	if _, err := s.refresh.Refresh(ctx, p); err != nil {
		return Receipt{}, err
	}
	first, found, err := s.store.Replay(ctx, p.Workspace.ID, *r.Idem, s.now())
	switch {
	case err != nil:
		return Receipt{}, err
	case !found:
		return Receipt{}, refusal
	}
	return Receipt{MessageUID: first.UID, MessageID: first.MessageID, ChatID: first.ChatID, Replayed: true}, nil
}

// try makes one attempt under the configuration that p was read with. It gives
// store.ErrStale when that is outdated, also when the lookups disagree with p.
func (s *Service) try(ctx context.Context, p *tideline.Principal, r *SendRequest) (Receipt, error) {
	if err := maySend(p, r); err != nil {
		return Receipt{}, err
	}
	account, chat, err := s.target(ctx, p, r)
	if err != nil {
		return Receipt{}, err
	}
	reply, err := s.answered(ctx, p.Workspace.ID, account.ID, chat, r)
	if err != nil {
		return Receipt{}, err
	}
	fileID, err := s.attachment(ctx, p.Workspace.ID, r)
	if err != nil {
		return Receipt{}, err
	}
	a, err := s.acceptance(p, account, r, fileID)
	if err != nil {
		return Receipt{}, err
	}
	a.Chat, a.Message.ReplyTo = chat, reply
	done := s.store.Accept(ctx, a)
	if done.Err != nil {
		return Receipt{}, done.Err
	}
	return Receipt{MessageUID: done.UID, MessageID: done.MessageID, ChatID: done.ChatID, Replayed: done.Replayed}, nil
}

// Check reports what would have Send refuse r for its sender or for where it goes,
// so that a transport need not take a large file first. What Send looks at in
// the same transaction as it accepts, such as credits, is not looked at, and
// nothing is refused because of it. Errors as of Send.
func (s *Service) Check(ctx context.Context, p *tideline.Principal, r SendRequest) error {
	if err := maySend(p, &r); err != nil {
		return err
	}
	if _, _, err := s.target(ctx, p, &r); !errors.Is(err, store.ErrStale) {
		return err
	}
	return nil
}

// maySend reports what forbids p to send r at all.
func maySend(p *tideline.Principal, r *SendRequest) error {
	if !p.Member.Role.MaySend() {
		return tideline.Errorf(tideline.CodePermissionDenied, "A member with the role %s may not send messages; ask an admin for another role", p.Member.Role)
	}
	if !p.Workspace.Plan.API && r.Origin == tideline.OriginPublicAPI {
		return tideline.Errorf(tideline.CodePlanFeatureUnavailable, "The plan %s does not include the public API", p.Workspace.Plan.Name)
	}
	if !p.Workspace.Plan.Attachments && (r.FileUID != nil || r.TemplateID != nil) {
		return tideline.Errorf(tideline.CodePlanFeatureUnavailable, "The plan %s does not include attachments", p.Workspace.Plan.Name)
	}
	return nil
}

// attachment finds the file to send; 0 when there is none.
func (s *Service) attachment(ctx context.Context, workspaceID int64, r *SendRequest) (int64, error) {
	switch {
	case r.FileUID != nil:
		f, err := s.store.FileByUID(ctx, workspaceID, *r.FileUID)
		if tideline.IsCode(err, tideline.CodeNotFound) {
			return 0, tideline.Errorf(tideline.CodeNotFound, "File %s not found: upload it first and use the uid of the answer", *r.FileUID)
		}
		return f.ID, err
	case r.TemplateID != nil:
		_, f, err := s.store.Template(ctx, workspaceID, *r.TemplateID)
		if tideline.IsCode(err, tideline.CodeNotFound) {
			return 0, tideline.Errorf(tideline.CodeNotFound, "Attachment template %d not found", *r.TemplateID)
		}
		return f.ID, err
	}
	return 0, nil
}

// acceptance puts together what storage needs. r has been validated.
func (s *Service) acceptance(p *tideline.Principal, account *tideline.Account, r *SendRequest, fileID int64) (store.Acceptance, error) {
	uid, err := uuid.NewV7()
	if err != nil {
		return store.Acceptance{}, fmt.Errorf("draw message uid: %w", err)
	}
	text := given(r.Text)
	return store.Acceptance{
		WorkspaceID: p.Workspace.ID,
		AccountID:   account.ID,
		MemberID:    p.Member.ID,
		Version:     p.Version,
		Message: store.NewMessage{
			UID:        uid.String(),
			WhatsAppID: s.newID(),
			Text:       text,
			Kind:       r.Kind,
			Data:       r.Data,
			FileID:     fileID,
			TemplateID: given64(r.TemplateID),
			Origin:     r.Origin,
			Credits:    tideline.Cost(text, fileID != 0),
			Gap:        p.Workspace.Gap.Draw(s.int64N),
			At:         s.now(),
		},
		Label:    strings.TrimSpace(given(r.Label)),
		Idem:     r.Idem,
		Grant:    p.Workspace.Grant(),
		Location: p.Workspace.Location(),
	}, nil
}

func given64(id *int64) int64 {
	if id == nil {
		return 0
	}
	return *id
}

func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
