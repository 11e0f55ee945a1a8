package meow

import (
	"strings"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

// call is one that rings or talks on the phone.
type call struct {
	meta     types.BasicCallMeta // of the offer
	video    bool
	talkFrom time.Time // zero while it rings
	refused  bool
}

// maxCalls bounds the calls that are remembered; of one whose end never comes
// nothing is shown.
const maxCalls = 64

// rings notes an incoming call. media is "video" or "audio" where the event says so.
func (s *session) rings(meta types.BasicCallMeta, data *waBinary.Node, media string) {
	if len(s.calls) >= maxCalls {
		clear(s.calls)
	}
	_, video := data.GetOptionalChildByTag("video")
	s.calls[meta.CallID] = &call{meta: meta, video: video || media == "video"}
}

// ringsAtMost is longer than a call rings before its caller's phone gives up.
const ringsAtMost = 3 * time.Minute

// endStaleCalls is told when WhatsApp has passed on what came while the account
// was away. A call that began back then and whose end is not among that has
// ended too.
func (s *session) endStaleCalls() {
	for _, c := range s.calls {
		if rang := time.Since(c.meta.Timestamp); rang > ringsAtMost && c.talkFrom.IsZero() {
			s.hungUp(&events.CallTerminate{BasicCallMeta: c.meta})
		}
	}
}

// talks notes that the call was accepted, on the phone or on another device.
func (s *session) talks(id string, at time.Time) {
	if c := s.calls[id]; c != nil {
		c.talkFrom = at
	}
}

// refuses notes that the owner rejected the call.
func (s *session) refuses(id string) {
	if c := s.calls[id]; c != nil {
		c.refused = true
	}
}

// hungUp passes on a call that ended. The library acknowledges call stanzas in
// any case (call.go), so what can't be stored is tried again here.
func (s *session) hungUp(e *events.CallTerminate) {
	c := s.calls[e.CallID]
	delete(s.calls, e.CallID)
	info := &types.MessageInfo{
		ID: e.CallID, Timestamp: e.Timestamp,
		MessageSource: types.MessageSource{Sender: e.CallCreator, SenderAlt: e.CallCreatorAlt, Chat: e.CallCreator.ToNonAD()},
	}
	if info.Sender.IsEmpty() {
		info.Sender, info.Chat = e.From, e.From.ToNonAD()
	}
	if info.Sender.User == s.jid.User || info.Sender.User == s.cli.Store.LID.User {
		return // the owner's own call; to whom is not said
	}
	if !e.GroupJID.IsEmpty() {
		info.Chat, info.IsGroup = e.GroupJID, true
	}
	in := whatsapp.Inbound{Call: ended(c, e.Reason, e.Timestamp)}
	store := func() error {
		if err := s.address(s.c.ctx, info, &in); err != nil {
			return err
		}
		return s.pass(func() error { return s.c.handler.Message(s.c.ctx, s.device, in) })
	}
	err := store()
	if err == nil {
		return
	}
	s.c.log.Error("call not stored; trying again", "device", s.device, "err", err)
	s.c.spawn(func() {
		for failures := range 10 {
			timer := time.NewTimer(backoff(failures, s.c.opts.RetryFirst, s.c.opts.RetryMax))
			select {
			case <-timer.C:
			case <-s.ctx.Done():
				timer.Stop()
				return
			}
			if store() == nil {
				return
			}
		}
		s.c.log.Error("call not stored; giving up", "device", s.device)
	})
}

// ended says what became of a call; c is nil when its beginning was not seen.
// WhatsApp's reasons are not documented; those that say so by name count.
func ended(c *call, reason string, at time.Time) *whatsapp.Call {
	if c == nil {
		c = &call{}
	}
	end := &whatsapp.Call{Status: tideline.CallMissed, Video: c.video}
	switch {
	case !c.talkFrom.IsZero():
		end.Status, end.Duration = tideline.CallAnswered, max(0, at.Sub(c.talkFrom))
	case strings.Contains(reason, "accepted"):
		end.Status = tideline.CallAnswered
	case c.refused || strings.Contains(reason, "reject"):
		end.Status = tideline.CallRejected
	}
	return end
}
