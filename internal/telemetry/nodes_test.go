package telemetry

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/cluster"
)

func TestNodesTellOfTheLeaseAndOfWhatMoved(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	NewNodes(r, func() cluster.Stats {
		return cluster.Stats{Nodes: 3, Held: 5, LeaseLeft: 1500 * time.Millisecond, Claimed: 7, Released: 2, Expelled: 1, Lapses: 4}
	}, func() cluster.BusStats { return cluster.BusStats{Sent: 8, Received: 9, Asked: 10, Served: 11} })
	want := map[string]float64{
		"tideline_node_nodes": 3, "tideline_node_accounts_held": 5, "tideline_node_lease_left_seconds": 1.5,
		"tideline_node_accounts_claimed_total": 7, "tideline_node_accounts_released_total": 2,
		"tideline_node_expelled_total": 1, "tideline_node_lapses_total": 4,
		"tideline_node_signals_total direction=sent": 8, "tideline_node_signals_total direction=received": 9,
		"tideline_node_calls_total direction=asked": 10, "tideline_node_calls_total direction=served": 11,
	}
	if diff := cmp.Diff(want, gather(t, r)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}
