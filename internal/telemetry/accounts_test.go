package telemetry

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/account"
	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/tideline"
)

var (
	_ account.Observer       = (*Accounts)(nil)
	_ outbox.AccountObserver = (*Accounts)(nil)
)

func TestComplaint27WhatEachAccountBringsAndCostsIsCounted(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	a := NewAccounts(r)
	a.Heard(1, account.EventMessage, 2*time.Second)
	a.Heard(1, account.EventMessage, time.Second)
	a.Heard(1, account.EventReceipt, 0)
	a.Heard(2, account.EventState, 0)
	a.Ended(2, tideline.StatusSent, 3*time.Second)
	a.Ended(2, tideline.StatusFailed, 0)
	got := gather(t, r)
	for name, want := range map[string]float64{
		"tideline_account_events_total account=1 kind=message":    2,
		"tideline_account_events_total account=1 kind=receipt":    1,
		"tideline_account_busy_seconds_total account=1":           3,
		"tideline_account_events_total account=2 kind=state":      1,
		"tideline_account_messages_total account=2 status=Sent":   1,
		"tideline_account_messages_total account=2 status=Failed": 1,
		"tideline_account_busy_seconds_total account=2":           3,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if since := time.Since(time.Unix(int64(got["tideline_account_last_event_timestamp_seconds account=1"]), 0)); since > time.Hour {
		t.Errorf("the last news of account 1 came %s ago", since)
	}
	a.Forget(1)
	if _, there := gather(t, r)["tideline_account_busy_seconds_total account=1"]; there {
		t.Error("a removed account goes on to have series")
	}
}

func TestComplaint27TheNumberOfSeriesIsBounded(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	a := NewAccounts(r)
	for id := range int64(3 * maxAccountSeries) {
		a.Heard(id, account.EventMessage, 0)
	}
	got := gather(t, r)
	if n := len(got); n > 7*(maxAccountSeries+1) {
		t.Errorf("%d series", n)
	}
	if other := got["tideline_account_events_total account=other kind=message"]; other != 2*maxAccountSeries {
		t.Errorf("%v messages of accounts without series of their own, want %d", other, 2*maxAccountSeries)
	}
}
