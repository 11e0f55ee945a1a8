package tideline_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tidelinehq/tideline/internal/tideline"
)

var statuses = []tideline.Status{tideline.StatusPending, tideline.StatusSent, tideline.StatusDelivered, tideline.StatusRead, tideline.StatusFailed}

func TestStatusMovesOnlyForward(t *testing.T) {
	t.Parallel()
	allowed := map[[2]tideline.Status]bool{
		{tideline.StatusPending, tideline.StatusSent}:      true,
		{tideline.StatusPending, tideline.StatusFailed}:    true,
		{tideline.StatusPending, tideline.StatusDelivered}: true, // the acknowledgement was lost
		{tideline.StatusPending, tideline.StatusRead}:      true,
		{tideline.StatusSent, tideline.StatusDelivered}:    true,
		{tideline.StatusSent, tideline.StatusRead}:         true,
		{tideline.StatusDelivered, tideline.StatusRead}:    true,
	}
	for _, from := range append(statuses, "Unheard") {
		for _, to := range append(statuses, "Unheard") {
			if got := to.MayFollow(from); got != allowed[[2]tideline.Status{from, to}] {
				t.Errorf("%q after %q: %v", to, from, got)
			}
		}
	}
}

func TestNoOrderOfEventsRepeatsAStatus(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		status, seen := tideline.StatusPending, map[tideline.Status]bool{tideline.StatusPending: true}
		for _, next := range rapid.SliceOf(rapid.SampledFrom(statuses)).Draw(rt, "events") {
			if !next.MayFollow(status) {
				continue
			}
			if seen[next] || next.Rank() <= status.Rank() || status == tideline.StatusFailed {
				rt.Fatalf("%q followed %q", next, status)
			}
			status, seen[next] = next, true
		}
		if status.Final() != (status != tideline.StatusPending) {
			rt.Fatalf("%q: final is %v", status, status.Final())
		}
	})
}

func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	for _, r := range []tideline.Reason{
		tideline.ReasonNotOnWhatsApp, tideline.ReasonReachOutLimited, tideline.ReasonRejected, tideline.ReasonAttachmentMissing,
		tideline.ReasonAttachmentRefused, tideline.ReasonExpired, tideline.ReasonAccountRemoved, tideline.ReasonInvalidRecipient,
		tideline.ReasonCancelled,
	} {
		if r.Text() == string(r) {
			t.Errorf("%s has no words for people", r)
		}
	}
}
