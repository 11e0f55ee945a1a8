package outbox_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/wasim"
)

// What users of other servers complain about, tried on this one. The numbers are
// those of the list in docs/whatsapp.md.

func TestComplaint01SentMeansThatWhatsAppHasIt(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{})
	lost := l.fault(wasim.Fault{Kind: wasim.FaultDropMessage, Number: customer})
	uid := l.accept(customer, "on its way", nil)
	l.waits(uid, "no acknowledgement")
	if v := l.message(uid); v.Message.Status != tideline.StatusPending || len(v.History) != 0 {
		t.Errorf("nobody has it, and it is shown as %s with the history %+v", v.Message.Status, v.History)
	}
	if acc, err := l.store.Account(l.ctx(), l.ws.ID, l.acc.ID); err != nil || acc.State != tideline.AccountActive {
		t.Errorf("the account is %s, %v: the test lost its connection", acc.State, err)
	}
	l.net.ClearFaults(lost)
	l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
	l.shown(customer, uid)
}

func TestComplaint01WhatIsNeverAcknowledgedFailsAndIsRefunded(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{Deadline: time.Second})
	before := l.available()
	l.fault(wasim.Fault{Kind: wasim.FaultDropMessage, Number: customer})
	uid := l.accept(customer, "into the void", nil)
	if v := l.history(uid, tideline.StatusFailed); v.Message.Reason != tideline.ReasonExpired {
		t.Errorf("failed with %q", v.Message.Reason)
	}
	if got := l.available(); got != before {
		t.Errorf("%d credits are left of %d", got, before)
	}
}

func TestComplaint03AnUnacknowledgedMessageIsSentAgainUnderItsID(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{})
	l.is(wasim.PhoneOptions{Number: customer, NoDeliver: true}) // so that only the acknowledgement proves anything
	l.fault(wasim.Fault{Kind: wasim.FaultDropAck, Number: customer, Count: 2})
	uid := l.accept(customer, "once", nil)
	l.history(uid, tideline.StatusSent)
	if got := l.shown(customer, uid); got.Attempts < 3 {
		t.Errorf("it was sent %d times, want twice in vain and once more at least", got.Attempts)
	}
}

func TestComplaint05LateReceiptIsAccepted(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{})
	l.is(wasim.PhoneOptions{Number: customer, NoDeliver: true})
	uid := l.accept(customer, "read me some day", nil)
	id := l.message(uid).Message.WhatsAppID
	l.history(uid, tideline.StatusSent)

	// The server is away when it is read, a month later, and hears of it afterwards.
	l.stop()
	l.net.AdvanceClock(30 * 24 * time.Hour)
	l.must(l.phone(customer).Read(l.ctx(), id))
	l.start()
	v := l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
	if late := v.History[2].At.Sub(v.History[0].At); late < 29*24*time.Hour {
		t.Errorf("it was read %s after it was sent; the test is no test", late)
	}
	// Receipts that come again, and behind what is known, change nothing.
	l.must(l.phone(customer).Read(l.ctx(), id))
	next := l.accept(customer, "next", nil)
	l.history(next, tideline.StatusSent)
	l.must(l.phone(customer).Read(l.ctx(), l.message(next).Message.WhatsAppID))
	l.history(next, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
	l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
}

func TestComplaint05AReceiptThatOvertakesTheAcknowledgementIsKept(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{})
	lost := l.fault(wasim.Fault{Kind: wasim.FaultDropAck, Number: customer})
	uid := l.accept(customer, "read before it was sent", nil)
	l.waits(uid, "no acknowledgement") // although the phone has shown and confirmed it
	l.net.ClearFaults(lost)
	l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
	l.shown(customer, uid)
}

func TestComplaint33EveryAttachmentArrivesThoughAMediaHostFails(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{})
	first := l.fault(wasim.Fault{Kind: wasim.FaultRefuseUpload, Code: 503, FirstHost: true})
	var uids []string
	var files [][]byte
	for i := range 3 { // several files of one event are several messages
		data := []byte(fmt.Sprintf("%%PDF-1.7\nfile %d\n", i))
		files = append(files, data)
		uids = append(uids, l.accept(customer, fmt.Sprintf("part %d", i), l.file(fmt.Sprintf("%d.pdf", i), "application/pdf", data)))
	}
	for i, uid := range uids {
		l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
		sum := sha256.Sum256(files[i])
		if m := l.shown(customer, uid).Media; m == nil || m.Error != "" || m.SHA256 != hex.EncodeToString(sum[:]) || m.Caption != fmt.Sprintf("part %d", i) {
			t.Errorf("the phone shows %+v", m)
		}
	}
	l.net.ClearFaults(first)

	// When all hosts fail, it waits, and goes when they are back.
	all := l.fault(wasim.Fault{Kind: wasim.FaultRefuseUpload, Code: 500})
	uid := l.accept(customer, "", l.file("late.pdf", "application/pdf", files[0]))
	l.waits(uid, "error")
	l.net.ClearFaults(all)
	l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)

	// A file that WhatsApp doesn't take fails with a reason of its own, and costs nothing.
	before := l.available()
	l.fault(wasim.Fault{Kind: wasim.FaultRefuseUpload, Code: 413, Count: 1})
	uid = l.accept(customer, "too much", l.file("large.pdf", "application/pdf", files[0]))
	if v := l.history(uid, tideline.StatusFailed); v.Message.Reason != tideline.ReasonAttachmentRefused {
		t.Errorf("failed with %q", v.Message.Reason)
	}
	if got := l.available(); got != before {
		t.Errorf("%d credits are left of %d", got, before)
	}
}

func TestComplaint37EveryMessageEndsOnceWhateverHappensToTheConnection(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{})
	before := l.available()
	for _, kind := range []wasim.FaultKind{
		wasim.FaultCutOnMessage, wasim.FaultCutBeforeAck, wasim.FaultDropAck, wasim.FaultDropMessage, wasim.FaultFailDecrypt,
	} {
		l.fault(wasim.Fault{Kind: kind, Number: customer, Count: 2})
	}
	l.fault(wasim.Fault{Kind: wasim.FaultRefuse, Number: another, Code: 479, Count: 2})
	var uids []string
	for i := range 12 {
		uids = append(uids, l.accept(customer, fmt.Sprintf("message %d", i), nil))
		if i%4 == 3 {
			uids = append(uids, l.accept(another, fmt.Sprintf("other %d", i), nil))
		}
		if i == 6 {
			l.fault(wasim.Fault{Kind: wasim.FaultStreamError, Number: shop})
		}
	}
	failed := 0
	for _, uid := range uids {
		l.until("end of message "+uid, func() bool { return l.message(uid).Message.Status != tideline.StatusPending })
		ends := 0
		v := l.message(uid)
		for _, h := range v.History {
			if h.Status == tideline.StatusSent || h.Status == tideline.StatusFailed {
				ends++
			}
		}
		if ends != 1 {
			t.Errorf("message %s ended %d times: %+v", uid, ends, v.History)
		}
		if v.Message.Status == tideline.StatusFailed {
			failed++
			continue
		}
		number := customer
		if v.Chat.Phone == another {
			number = another
		}
		l.until("message "+uid+" on the phone", func() bool {
			all, err := l.phone(number).Messages()
			l.must(err)
			for _, m := range all {
				if m.ID == v.Message.WhatsAppID {
					return true
				}
			}
			return false
		})
		l.shown(number, uid)
	}
	if failed != 2 {
		t.Errorf("%d messages failed, want the 2 that were refused", failed)
	}
	if got, want := l.available(), before-tideline.Credits(len(uids)-failed); got != want {
		t.Errorf("%d credits are left, want %d", got, want)
	}
	if left, err := l.store.AuditLedger(l.ctx()); err != nil || len(left) > 0 {
		t.Errorf("the ledger doesn't add up: %v, %v", left, err)
	}
}

func TestComplaint18ASendToANumberReachesAContactKnownByHiddenID(t *testing.T) {
	t.Parallel()
	l := newLive(t, outbox.Config{})
	// WhatsApp takes what is addressed to the number, and drops it.
	l.fault(wasim.Fault{Kind: wasim.FaultIgnoreNumber, Number: customer})
	uid := l.accept(customer, "for the number", nil) // to one whose hidden id nobody knows yet
	l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
	l.shown(customer, uid)
	l.stop()
	l.start()
	uid = l.accept(customer, "known by now", nil)
	l.history(uid, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead)
	l.shown(customer, uid)
	if len(l.net.Faults()) != 1 {
		t.Error("the fault is gone")
	}
}
