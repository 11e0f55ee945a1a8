package meow

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// failureRetry is the pause after WhatsApp refused a login for a reason that
// does not end the session and that the library knows no remedy for.
const failureRetry = time.Minute

// banRetry is the pause after a ban of which WhatsApp did not say when it ends.
const banRetry = 6 * time.Hour

// outdatedRetry is about how often a refused version is tried again.
const outdatedRetry = time.Hour

// handle takes the library's events. Stanzas come one after another; events
// about the connection come from goroutines of their own. False means: don't
// acknowledge.
func (s *session) handle(evt any) bool {
	switch e := evt.(type) {
	case *events.Connected:
		s.connected()
	case *events.Disconnected:
		s.dropped()
	case *events.KeepAliveTimeout:
		s.stalled()
	case *events.StreamReplaced:
		s.supplanted()
	case *events.LoggedOut:
		// The library deletes the keys while we are told: don't touch cli.Store
		// (whatsmeow connectionevents.go).
		s.end(stateAfterLogout(e))
	case *events.TemporaryBan:
		s.banned(e)
	case *events.ClientOutdated:
		s.tooOld()
	case *events.NotifyAccountReachoutTimelock:
		s.timelocked(e)
	case *events.ConnectFailure:
		s.spoil()
		s.downFor(backoff(0, failureRetry, failureRetry), "WhatsApp refused the login ("+e.Reason.String()+")")
	case *events.StreamError:
		s.c.log.Warn("whatsapp ended the stream", "session", s.label, "code", e.Code)
	case *events.Receipt:
		return s.receipt(e)
	case *events.Message:
		return s.message(e)
	case *events.UndecryptableMessage:
		// The library asks the sender to encrypt it anew, and it comes again then.
		s.c.log.Info("message can't be decrypted yet", "device", s.device, "id", e.Info.ID)
	case *events.OfflineSyncCompleted:
		s.endStaleCalls()
	case *events.CallOffer:
		s.rings(e.BasicCallMeta, e.Data, "")
	case *events.CallOfferNotice:
		s.rings(e.BasicCallMeta, e.Data, e.Media)
	case *events.CallAccept:
		s.talks(e.CallID, e.Timestamp)
	case *events.CallReject:
		s.refuses(e.CallID)
	case *events.CallTerminate:
		s.hungUp(e)
	case *events.ChatPresence:
		s.composing(e)
	case *events.GroupInfo:
		return s.altered(e.JID)
	case *events.JoinedGroup:
		return s.altered(e.JID)
	case *events.Picture:
		return s.altered(e.JID)
	case *events.Contact:
		s.filed(e)
	case *events.PushNameSetting:
		s.named(e.Action.GetName())
	case *events.AppStateSyncComplete:
		// A full sync comes without events of its own. The library wrote the name
		// in this very goroutine just before (appstate.go).
		switch e.Name {
		case appstate.WAPatchCriticalBlock:
			s.named(s.cli.Store.PushName)
		case appstate.WAPatchCriticalUnblockLow:
			s.c.spawn(s.allFiled)
		}
	}
	return true
}

// connected is told when the login was followed by answered requests (whatsmeow
// connectionevents.go). The library says so also when the connection broke
// during those requests.
func (s *session) connected() {
	if !s.cli.IsConnected() {
		return
	}
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.mu.Lock()
	s.replaced = 0
	s.stopTimer()
	s.mu.Unlock()
	s.report(tideline.AccountActive, "")
	s.c.spawn(s.unheard)
}

// dropped is told when the connection is gone. Of an account that is not
// connected for a better known reason, that reason stays.
func (s *session) dropped() {
	s.mu.Lock()
	known := s.state == tideline.AccountDisconnected
	s.mu.Unlock()
	if known {
		s.down("")
		return
	}
	s.down(reasonLost)
}

// stalled is told when a ping was not answered in time. The connection is given
// up at once instead of waiting for the network to notice.
func (s *session) stalled() {
	s.deliver.Lock()
	s.report(tideline.AccountDisconnected, reasonStalled)
	s.deliver.Unlock()
	s.c.spawn(s.line.cut) // events.Disconnected follows
}

// supplanted is told when another program logged in with the same keys. Coming
// back at once would throw that one out, and so on.
func (s *session) supplanted() {
	s.spoil()
	s.mu.Lock()
	pause := backoff(s.replaced, s.c.opts.ReplacedRetry, 20*s.c.opts.ReplacedRetry)
	s.replaced++
	s.mu.Unlock()
	s.downFor(pause, "another program connected with this account's session; stop it, or pair again")
}

// refused is told when WhatsApp does not let the account in and trying again
// soon would not help.
func (s *session) refused(state tideline.AccountState, reason string) {
	s.spoil()
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.report(state, reason)
}

// banned is told when WhatsApp refuses the number for a while, often with an end.
func (s *session) banned(e *events.TemporaryBan) {
	reason := "WhatsApp refuses the number for a while (" + e.Code.String() + ")"
	pause, until := backoff(0, banRetry, banRetry), time.Time{}
	if e.Expire > 0 {
		until = time.Now().Add(e.Expire)
		pause = e.Expire + backoff(0, failureRetry, failureRetry)
	}
	s.spoil()
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.reportUntil(tideline.AccountBanned, reason, until)
	s.plan(pause)
}

// stateAfterLogout tells a ban from an unlinking. The words for the codes are
// those of WhatsApp Web, as whatsmeow's events.go notes them.
func stateAfterLogout(e *events.LoggedOut) (tideline.AccountState, string) {
	switch {
	case e.OnConnect && e.Reason == events.ConnectFailureUnknownLogout:
		return tideline.AccountBanned, "WhatsApp banned the number or logged it out (406); check on the phone, then pair again"
	case e.OnConnect && e.Reason == events.ConnectFailureMainDeviceGone:
		return tideline.AccountLoggedOut, "the phone was logged out, replaced or locked (403); pair the account again"
	default:
		return tideline.AccountLoggedOut, reasonUnlinked
	}
}

// receipt passes on what moves a message forward. False keeps WhatsApp from
// being answered, and as it repeats a receipt only after the next connection,
// that is brought about.
func (s *session) receipt(e *events.Receipt) bool {
	status := receiptStatus(e)
	if status == "" {
		return true
	}
	err := s.pass(func() error {
		return s.c.handler.Receipts(s.c.ctx, s.device, e.MessageIDs, status, e.Timestamp)
	})
	if err == nil {
		return true
	}
	if errors.Is(err, errSessionOver) {
		return false
	}
	s.c.log.Error("receipts not stored; whatsapp will repeat them", "session", s.label, "count", len(e.MessageIDs), "err", err)
	s.repeatLater()
	return false
}

// receiptStatus says what a receipt means for a message; "" for the kinds that
// mean nothing to it: copies on own devices, retries, peer messages, and
// "inactive", which official apps don't show (whatsmeow receipt.go).
func receiptStatus(e *events.Receipt) tideline.Status {
	if e.IsFromMe {
		return ""
	}
	switch e.Type {
	case types.ReceiptTypeDelivered:
		return tideline.StatusDelivered
	case types.ReceiptTypeRead, types.ReceiptTypePlayed:
		return tideline.StatusRead
	}
	return ""
}

// named passes on the account's push name when it is a new one.
func (s *session) named(name string) {
	name = strings.TrimSpace(name)
	s.deliver.Lock()
	defer s.deliver.Unlock()
	s.mu.Lock()
	news := name != "" && name != s.name && !s.closed
	if news {
		s.name = name
	}
	s.mu.Unlock()
	if news {
		s.c.handler.Name(s.c.ctx, s.device, name)
	}
}

// reasonUnreachable says a failed connect to a person.
func reasonUnreachable(err error) string {
	if status, ok := errors.AsType[socket.ErrWithStatusCode](err); ok {
		return fmt.Sprintf("WhatsApp answered with HTTP status %d; trying again", status.StatusCode)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "the name " + dns.Name + " could not be looked up; trying again"
	}
	return "WhatsApp can't be reached; trying again"
}
