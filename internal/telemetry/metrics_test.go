package telemetry

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/outbox"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/webhook"
)

var _ outbox.Observer = (*Outbox)(nil)

// gather gives the values of counters and gauges by name and labels.
func gather(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			if m.GetHistogram() != nil {
				values[name+" count"] = float64(m.GetHistogram().GetSampleCount())
				continue
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

func TestOutboxCountsByStatusAndReason(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	o := NewOutbox(r)
	o.Settled(tideline.StatusSent, "", time.Millisecond, time.Second)
	o.Settled(tideline.StatusSent, "", -time.Millisecond, time.Second)
	o.Settled(tideline.StatusFailed, tideline.ReasonNotOnWhatsApp, 0, 0)
	o.Retried()
	want := map[string]float64{
		"tideline_outbox_retries_total":                                      1,
		"tideline_outbox_settled_total reason= status=Sent":                  2,
		"tideline_outbox_settled_total reason=not_on_whatsapp status=Failed": 1,
		"tideline_outbox_lateness_seconds count":                             3,
		"tideline_outbox_attempt_seconds count":                              3,
	}
	if diff := cmp.Diff(want, gather(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestSourcesAreAskedWhenFetched(t *testing.T) {
	t.Parallel()
	var failing error
	s := Sources{
		Queue: func() (int, int) { return 7, 2 },
		Accounts: func(context.Context) ([]tideline.Account, error) {
			return []tideline.Account{{State: tideline.AccountActive}, {State: tideline.AccountActive}, {State: tideline.AccountBanned}}, failing
		},
		Commits: func() (int64, int64, int64) { return 3, 2, 40 },
		Backup:  func(context.Context) (time.Time, error) { return time.UnixMilli(1_795_000_000_500), nil },
	}
	r := prometheus.NewRegistry()
	s.Register(r)
	always := map[string]float64{
		"tideline_outbox_messages": 7, "tideline_outbox_in_flight": 2, "tideline_store_commits_total": 3,
		"tideline_store_accept_batches_total": 2, "tideline_messages_accepted_total": 40,
		"tideline_last_backup_timestamp_seconds": 1_795_000_000.5,
	}
	want := map[string]float64{
		"tideline_accounts state=active": 2, "tideline_accounts state=banned": 1, "tideline_accounts state=connecting": 0,
		"tideline_accounts state=disconnected": 0, "tideline_accounts state=logged_out": 0, "tideline_accounts state=outdated": 0,
		"tideline_accounts_reach_out_limited": 0,
		"tideline_lanes_paused":               0,
	}
	maps.Copy(want, always)
	if diff := cmp.Diff(want, gather(t, r)); diff != "" {
		t.Error(diff)
	}
	failing = errors.New("database away")
	if diff := cmp.Diff(always, gather(t, r)); diff != "" {
		t.Errorf("with storage away: %s", diff)
	}
}

func TestRegistryNamesTheBuild(t *testing.T) {
	t.Parallel()
	for name := range gather(t, NewRegistry("v1")) {
		if strings.HasPrefix(name, "tideline_build_info") && strings.Contains(name, "version=v1") {
			return
		}
	}
	t.Error("no build information")
}

var _ webhook.Observer = (*Webhooks)(nil)

func TestWebhooksCountByOutcome(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	w := NewWebhooks(r)
	w.Delivered(time.Second, time.Millisecond)
	w.Delivered(-time.Second, time.Millisecond)
	w.Failed(tideline.DeliveryWaiting, time.Second)
	w.Failed(tideline.DeliveryAside, time.Second)
	w.Failed(tideline.DeliveryDead, time.Second)
	oldest, away := time.Time{}, error(nil)
	RegisterBacklog(r, func(context.Context) (int64, time.Time, error) { return 7, oldest, away })
	want := map[string]float64{
		"tideline_webhook_attempts_total outcome=delivered": 2,
		"tideline_webhook_attempts_total outcome=retry":     1,
		"tideline_webhook_attempts_total outcome=aside":     1,
		"tideline_webhook_attempts_total outcome=dead":      1,
		"tideline_webhook_lateness_seconds count":           2,
		"tideline_webhook_attempt_seconds count":            5,
		"tideline_webhook_pending":                          7,
		"tideline_webhook_oldest_seconds":                   0,
	}
	if diff := cmp.Diff(want, gather(t, r)); diff != "" {
		t.Error(diff)
	}
	oldest = time.Now().Add(-time.Hour)
	if got := gather(t, r)["tideline_webhook_oldest_seconds"]; got < 3600 {
		t.Errorf("the oldest is %v s old, want an hour", got)
	}
	away = errors.New("storage is away")
	if _, there := gather(t, r)["tideline_webhook_pending"]; there {
		t.Error("a figure although storage is away")
	}
}
