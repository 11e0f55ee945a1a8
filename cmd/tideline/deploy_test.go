package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidelinehq/tideline/internal/config"
	"github.com/tidelinehq/tideline/internal/datadir"
	"github.com/tidelinehq/tideline/internal/telemetry"
)

// deployFile reads a file for those who run servers.
func deployFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// openSandbox opens a server with all its parts, and starts none.
func openSandbox(t *testing.T) *server {
	t.Helper()
	common := &config.Common{Data: t.TempDir(), Listen: "127.0.0.1:0", Sandbox: true}
	log, err := telemetry.NewLogger(t.Output(), telemetry.LogOptions{Level: "error", Format: "text"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{common: common, serve: &config.Serve{RateLimit: 1000, SendDeadline: 24 * 60 * 60 * 1e9}, log: log, stack: newStack(log)}
	t.Cleanup(func() {
		if err := s.stack.down(); err != nil {
			t.Error(err)
		}
	})
	if err := s.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.folder.Kind != datadir.Sandbox {
		t.Fatalf("the folder is %q", s.folder.Kind)
	}
	return s
}

var descName = regexp.MustCompile(`fqName: "([a-z0-9_]+)"`)

// metricNames are the names of all that a server's /metrics can show.
func metricNames(t *testing.T) map[string]bool {
	t.Helper()
	s := openSandbox(t)
	// Those of servers on PostgreSQL, and with files in S3.
	telemetry.NewNodes(s.metrics, nil, nil)
	telemetry.NewS3(s.metrics)
	descs := make(chan *prometheus.Desc)
	go func() {
		s.metrics.Describe(descs)
		close(descs)
	}()
	names := map[string]bool{}
	for d := range descs {
		name := descName.FindStringSubmatch(d.String())[1]
		names[name], names[name+"_bucket"] = true, true
	}
	if len(names) < 40 {
		t.Fatalf("a server has only the metrics %v", names)
	}
	return names
}

var usedMetric = regexp.MustCompile(`\b(?:tideline|process|go)_[a-z0-9_]+\b`)

// Alert rules and dashboard ask for metrics that there are.
func TestAlertsAndDashboardUseMetricsThatThereAre(t *testing.T) {
	t.Parallel()
	names := metricNames(t)
	for _, file := range []string{"prometheus/alerts.yaml", "grafana/tideline.json"} {
		used := usedMetric.FindAllString(deployFile(t, file), -1)
		if len(used) < 10 {
			t.Errorf("%s uses only %v", file, used)
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(used))) {
			if !names[name] {
				t.Errorf("%s uses %s, which no server has", file, name)
			}
		}
	}
}

func TestTheDashboardIsWhole(t *testing.T) {
	t.Parallel()
	var d struct {
		Title  string
		Panels []struct {
			ID          int
			Type, Title string
			Description string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(deployFile(t, "grafana/tideline.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%q is outside the page", p.Title)
		}
		if p.Type != "row" && (p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Targets[0].Expr == "") {
			t.Errorf("panel %+v lacks something", p)
		}
	}
	if len(ids) < 15 {
		t.Errorf("the dashboard has %d panels", len(ids))
	}
}

var environmentName = regexp.MustCompile(`\bTIDELINE_[A-Z0-9_]+\b`)

// The files set only variables that are settings, and run commands that there are.
func TestDeploymentFilesUseSettingsThatThereAre(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	app := commandLine(t)
	for _, flags := range app.AllFlags(false) {
		for _, f := range flags {
			for _, env := range f.Envs {
				known[env] = true
			}
		}
	}
	for _, c := range app.Leaves(false) {
		for _, f := range c.Flags {
			for _, env := range f.Envs {
				known[env] = true
			}
		}
	}
	for _, file := range []string{"compose.yaml", "Dockerfile", "systemd/tideline.service"} {
		for _, name := range environmentName.FindAllString(deployFile(t, file), -1) {
			if !known[name] {
				t.Errorf("%s sets %s, which is no setting", file, name)
			}
		}
	}
	for _, file := range []string{"systemd/tideline.service", "systemd/tideline-backup.service", "prometheus/alerts.yaml"} {
		for _, line := range regexp.MustCompile("(?m)(?:/usr/local/bin/|`)tideline ([^`\n]*)").FindAllStringSubmatch(deployFile(t, file), -1) {
			node, rest := command(app.Node, strings.Fields(line[1]))
			if node == app.Node || len(node.Children) > 0 && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
				t.Errorf("%s runs %q, which is no command", file, line[0])
			}
		}
	}
}
