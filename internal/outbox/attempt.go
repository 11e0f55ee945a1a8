package outbox

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strconv"
	"time"

	"github.com/tidelinehq/tideline/internal/blob"
	"github.com/tidelinehq/tideline/internal/store"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// attempt is one try to send one message.
type attempt struct {
	*Service
	account int64
	message int64
	due     time.Time
	started time.Time
	out     store.Outgoing
	log     *slog.Logger
}

// handOut starts an attempt for a head whose time has come.
func (s *Service) handOut(accountID, messageID int64, due time.Time) {
	a := &attempt{
		Service: s, account: accountID, message: messageID, due: due,
		log: s.deps.Logger.With("account", accountID, "message", messageID),
	}
	if s.deps.Shared != nil {
		s.begin(a)
		return
	}
	s.attempts.Go(func() { a.run(s.attemptCx) })
}

// run tries once and moves the lane on.
func (a *attempt) run(ctx context.Context) {
	a.started = time.Now()
	if a.cancelling(a.message) {
		a.pacer.Again(a.account, a.started.Add(cancelPause), time.Time{})
		return
	}
	var err error
	a.out, err = a.deps.Store.Outgoing(ctx, a.message)
	switch {
	case tideline.IsCode(err, tideline.CodeNotFound):
		// It ended elsewhere: its account was removed. Nothing was sent.
		a.calm(a.account)
		a.pacer.Finish(a.account, time.Time{})
		return
	case err != nil && ctx.Err() != nil:
		return // the server stops
	case err != nil:
		a.log.ErrorContext(ctx, "read queued message", "err", err)
		a.pacer.Again(a.account, time.Now().Add(a.troubled(a.account, a.message, "storage").pause(a.cfg)), time.Time{})
		return
	case !a.pacer.Regap(a.account, a.out.Gap):
		return // the workspace's gap was made longer meanwhile
	case a.out.Account.Pause.Paused():
		// The lane is about to be paused, or to be resumed.
		a.pacer.Again(a.account, a.started.Add(pausedPause), time.Time{})
		return
	case !a.started.Before(a.deadline()):
		a.settle(ctx, store.Settlement{Status: tideline.StatusFailed, Reason: tideline.ReasonExpired, At: a.started})
		return
	case a.out.Account.Hold.ReachOutLimited(a.started):
		if held, err := a.holdBack(ctx); held {
			return
		} else if err != nil {
			a.failed(ctx, err, time.Now())
			return
		}
	case a.giveWay():
		return // the limit is over, and what waited for its end comes first
	}
	sent, err := a.send(ctx)
	now := time.Now()
	if err != nil {
		a.failed(ctx, err, now)
		return
	}
	if sent.At.IsZero() {
		sent.At = now
	}
	a.settle(ctx, store.Settlement{Status: tideline.StatusSent, At: sent.At, LaneAt: now})
}

// send makes the connector's attempt, bounded in time.
func (a *attempt) send(ctx context.Context) (whatsapp.Sent, error) {
	limit := a.cfg.SendTimeout
	if a.out.File != nil {
		limit += a.cfg.UploadTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m := whatsapp.Outgoing{
		DeviceJID: a.out.Account.DeviceJID,
		MessageID: a.out.Message.WhatsAppID,
		To:        a.out.Chat.JID,
		Text:      a.out.Message.Text,
	}
	if q := a.out.Quote; q != nil {
		m.Quote = &whatsapp.Quote{MessageID: q.WhatsAppID, FromMe: q.FromMe, Sender: q.Sender, Text: q.Text}
	}
	if m.DeviceJID == "" {
		return whatsapp.Sent{}, &whatsapp.SendError{Offline: true, Err: whatsapp.ErrNoSession}
	}
	if a.out.Message.FileID != 0 && a.out.File == nil {
		return whatsapp.Sent{}, &whatsapp.SendError{Reason: tideline.ReasonAttachmentMissing, Err: errFileDeleted}
	}
	if f := a.out.File; f != nil {
		m.File = &whatsapp.Attachment{
			Name: f.Name, MIMEType: f.MIMEType, Size: f.Size, Kind: a.out.Message.Kind,
			Open: func(ctx context.Context) (io.ReadCloser, error) {
				r, err := a.deps.Blobs.Open(ctx, f.Blob)
				if errors.Is(err, blob.ErrNotFound) {
					return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
				}
				return r, err
			},
		}
	}
	if m.File != nil && m.File.Kind == tideline.KindVoice {
		m.File.Seconds, m.File.Waveform = recording(a.out.Message.Data)
	}
	if !a.alive() {
		return whatsapp.Sent{}, errLeaseOver
	}
	return a.deps.Sender.Send(ctx, m)
}

// errLeaseOver says that this node may not send for now, nor, when it stays so, ever
// again for this lane: then the lane is given up.
var errLeaseOver = errors.New("the lease of this node is over")

// leasePause is when a head is looked at again that came up after the end of the lease.
const leasePause = time.Second

// recording reads what is known about a voice note. What can't be read is not
// known: the note is as good without it.
func recording(data map[string]string) (seconds uint32, waveform []byte) {
	if n, err := strconv.ParseUint(data[tideline.DataDuration], 10, 32); err == nil {
		seconds = uint32(n)
	}
	if w, err := base64.StdEncoding.DecodeString(data[tideline.DataWaveform]); err == nil && len(w) > 0 {
		waveform = w
	}
	return seconds, waveform
}

// errFileDeleted says that a message's file was deleted while it waited.
var errFileDeleted = errors.New("the file was deleted while the message waited")

// failed decides what an attempt's error means for the message.
func (a *attempt) failed(ctx context.Context, err error, now time.Time) {
	if ctx.Err() != nil {
		return // the server stops or loses the lane, and the message comes back after the next start
	}
	if errors.Is(err, errLeaseOver) {
		a.pacer.Again(a.account, now.Add(leasePause), time.Time{})
		return
	}
	cause, ok := errors.AsType[*whatsapp.SendError](err)
	if !ok {
		cause = &whatsapp.SendError{Err: err}
	}
	if cause.Reason != "" {
		a.log.WarnContext(ctx, "message failed", "reason", cause.Reason, "err", err)
		a.settle(ctx, store.Settlement{
			Status: tideline.StatusFailed, Reason: cause.Reason, At: now, LaneAt: now, Note: "refused by WhatsApp",
		})
		return
	}
	kind := "error"
	switch {
	case cause.Offline:
		kind = "account offline"
	case cause.Unknown:
		kind = "no acknowledgement"
	}
	t := a.troubled(a.account, a.message, kind)
	pause := t.pause(a.cfg)
	if cause.Offline {
		pause = a.cfg.MaxBackoff // Wake ends it earlier
	}
	var laneAt time.Time
	if cause.Unknown {
		laneAt = now // it may have gone out
	}
	if t.fresh || cause.Unknown {
		if err := a.deps.Store.Settle(ctx, a.fill(store.Settlement{At: now, LaneAt: laneAt, Note: kind})); errors.Is(err, store.ErrExpelled) {
			a.expelled(ctx, err)
			return
		} else if err != nil {
			a.log.ErrorContext(ctx, "note why a message waits", "err", err)
		}
	}
	if t.fresh {
		a.log.WarnContext(ctx, "message put back", "attempt", t.attempts, "why", kind, "err", err)
	} else {
		a.log.DebugContext(ctx, "message put back", "attempt", t.attempts, "why", kind, "err", err)
	}
	if a.deps.Observer != nil {
		a.deps.Observer.Retried()
	}
	// Not later than the deadline, which is looked at when the message comes back.
	again := now.Add(pause)
	if d := a.deadline(); d.Before(again) {
		again = d
	}
	a.pacer.Again(a.account, again, laneAt)
}

// settle stores how the message ended, and only then lets the lane go on:
// while storage can't take the outcome nothing else of the lane is sent. When
// the service stops meanwhile, the message comes back after the next start and
// is sent again under the same id.
func (a *attempt) settle(ctx context.Context, st store.Settlement) {
	took := time.Since(a.started)
	pause := 50 * time.Millisecond
	for {
		err := a.deps.Store.Settle(ctx, a.fill(st))
		if err == nil {
			break
		}
		if errors.Is(err, store.ErrExpelled) {
			a.expelled(ctx, err)
			return
		}
		a.log.ErrorContext(ctx, "store how a message ended; its lane waits", "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		}
	}
	a.calm(a.account)
	a.pacer.Finish(a.account, st.LaneAt)
	if a.deps.Observer != nil {
		a.deps.Observer.Settled(st.Status, st.Reason, a.started.Sub(a.due), took)
	}
	if a.deps.Accounts != nil {
		a.deps.Accounts.Ended(a.account, st.Status, took)
	}
	if o, ok := a.deps.Accounts.(LatenessObserver); ok {
		o.Late(a.account, a.started.Sub(a.due))
	}
}

// expelled ends an attempt whose outcome this node may not store any more: the lane
// goes no further here, and the message is its next holder's, under the same id.
func (a *attempt) expelled(ctx context.Context, err error) {
	a.log.WarnContext(ctx, "the lane stops here; another node has the account", "err", err)
}

func (a *attempt) fill(st store.Settlement) store.Settlement {
	st.WorkspaceID, st.AccountID, st.MessageID = a.out.Message.WorkspaceID, a.account, a.message
	return st
}

// deadline is when the message fails if it could not be sent. It counts anew from
// the end of a pause: what people held back is not late.
func (a *attempt) deadline() time.Time {
	from := a.out.Message.AcceptedAt
	if end := a.out.Account.Pause.Ended; end.After(from) {
		from = end
	}
	return from.Add(a.cfg.Deadline)
}
