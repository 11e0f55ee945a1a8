package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tidelinehq/tideline/bench/internal/goals"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	page    = "../../docs/performance.md"
	figures = "../../docs/performance.json"
)

// printed gives what the sources of a benchmark name as keys of JSON.
func printed(t *testing.T, bench string) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", bench, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("bench/%s: %d files, error %v", bench, len(paths), err)
	}
	keys := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range []string{`json:"([a-z0-9_]+)`, `\["([a-z0-9_]+)"\] =`, `\["([a-z0-9_]+)"\], `, `"([a-z0-9_]+)":`} {
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
				keys[m[1]] = true
			}
		}
	}
	return keys
}

func TestEveryGoalHasABenchmarkThatPrintsItsFigure(t *testing.T) {
	t.Parallel()
	size := regexp.MustCompile(`_\d+$`)
	ids := map[string]bool{}
	for _, g := range goals.List() {
		run := goals.ByID(g.Run)
		if run.ID == "" {
			t.Errorf("%s is of the run %q, which is not there", g.ID, g.Run)
			continue
		}
		if keys := printed(t, run.Bench); !keys[g.Key] && !keys[size.ReplaceAllString(g.Key, "")] {
			t.Errorf("%s is the figure %s, which bench/%s does not print", g.ID, g.Key, run.Bench)
		}
		if ids[g.ID] {
			t.Errorf("two goals are %s", g.ID)
		}
		ids[g.ID] = true
		if !g.On(goals.SQLite) && !g.On(goals.PostgreSQL) {
			t.Errorf("%s is measured nowhere", g.ID)
		}
	}
	for _, run := range goals.Runs() {
		if run.Bound == 0 || len(run.Args) == 0 || len(run.Quick) == 0 {
			t.Errorf("%s has no bound, or no arguments", run.ID)
		}
	}
}

// What a benchmark printed in earnest has the figures of its goals.
func TestTheFiguresOfEveryRunThatEndedWellAreThere(t *testing.T) {
	t.Parallel()
	b, err := readBook(figures)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range goals.List() {
		for _, d := range []goals.Database{goals.SQLite, goals.PostgreSQL} {
			r := b.Results[key(g.Run, d)]
			if r == nil || r.Error != "" || !g.On(d) {
				continue
			}
			if _, ok := r.figure(g.Key); !ok {
				t.Errorf("%s on %s: the run ended well without the figure %s", g.ID, d, g.Key)
			}
		}
	}
}

func TestTheDocumentHasTheTableOfTheFigures(t *testing.T) {
	t.Parallel()
	b, err := readBook(figures)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want, err := replace(string(text), render(b))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("docs/performance.md is not what the figures give: go run ./bench/table --render (-want +got):\n%s", diff)
	}
	for _, g := range goals.List() {
		if !strings.Contains(string(text), fmt.Sprintf("| %s | %s |", g.Text, g.Bound())) {
			t.Errorf("the table has no row for %s", g.ID)
		}
	}
}

func TestEveryMissIsExplainedAndNothingElse(t *testing.T) {
	t.Parallel()
	b, err := readBook(figures)
	if err != nil {
		t.Fatal(err)
	}
	reasons := goals.Misses()
	for _, g := range goals.List() {
		for _, d := range []goals.Database{goals.SQLite, goals.PostgreSQL} {
			id := g.ID + "/" + string(d)
			c := b.cell(g, d)
			switch {
			case c.verdict == missed && reasons[id] == "":
				t.Errorf("%s is missed (%s) and bench/internal/goals/misses.go does not say why", id, c.text)
			case c.verdict == met && reasons[id] != "":
				t.Errorf("%s is met (%s): take its explanation out of bench/internal/goals/misses.go", id, c.text)
			}
			delete(reasons, id)
		}
	}
	for id := range reasons {
		t.Errorf("bench/internal/goals/misses.go explains %s, which is no goal", id)
	}
}

var (
	atLeast = goals.Goal{ID: "accept_null_64", Run: "accept", Key: "durable_over_null_64", Limit: 0.28, AtLeast: true}
	atMost  = goals.Goal{ID: "accept_bytes_64", Run: "accept", Key: "bytes_per_message_64", Limit: 10, Unit: "KB", Scale: 1000}
	never   = goals.Goal{ID: "pacer_early_10000", Run: "outbox", Key: "early_10000"}
)

func TestAFigureIsJudgedByItsGoal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		goal goals.Goal
		res  *result
		want cell
	}{
		{"at the limit", atLeast, &result{Figures: map[string]any{"durable_over_null_64": 0.28}}, cell{"0.280", met}},
		{"below", atLeast, &result{Figures: map[string]any{"durable_over_null_64": 0.2799}}, cell{"**0.280**", missed}},
		{"in another unit", atMost, &result{Figures: map[string]any{"bytes_per_message_64": 9990.0}}, cell{"9.99 KB", met}},
		{"above", atMost, &result{Figures: map[string]any{"bytes_per_message_64": 10400.0}}, cell{"**10.4 KB**", missed}},
		{"none", never, &result{Figures: map[string]any{"early_10000": 0.0}}, cell{"0", met}},
		{"some", never, &result{Figures: map[string]any{"early_10000": 1.0}}, cell{"**1**", missed}},
		{"a quick run is not judged", never, &result{Quick: true, Figures: map[string]any{"early_10000": 1.0}}, cell{text: "1 (quick)"}},
		{"a run that failed says so", never, &result{Error: "exit status 1"}, cell{text: "the run failed"}},
		{"a run that failed with figures", never, &result{Error: "exit status 1", Figures: map[string]any{"early_10000": 1.0}}, cell{"**1**", missed}},
		{"nothing yet", never, nil, cell{text: "not measured"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := &book{Results: map[string]*result{}}
			if test.res != nil {
				b.Results[key(test.goal.Run, goals.SQLite)] = test.res
			}
			if got := b.cell(test.goal, goals.SQLite); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAQuickRunDoesNotReplaceAWholeOne(t *testing.T) {
	t.Parallel()
	b := &book{Results: map[string]*result{}}
	whole, quick, failed := &result{Date: "whole"}, &result{Date: "quick", Quick: true}, &result{Date: "failed", Error: "it hung"}
	for _, step := range []struct{ put, want *result }{{quick, quick}, {whole, whole}, {quick, whole}, {failed, failed}, {quick, quick}, {whole, whole}} {
		b.put("accept", goals.SQLite, step.put)
		if got := b.Results["accept/sqlite"]; got != step.want {
			t.Errorf("after %s there is %s", step.put.Date, got.Date)
		}
	}
}

func TestFiguresSurviveTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "figures.json")
	b, err := readBook(path)
	if err != nil {
		t.Fatal(err)
	}
	b.Machine = machine{CPU: "A | B", Cores: 2}
	b.put("accept", goals.PostgreSQL, &result{Date: "2026-11-23", Error: "exit\nstatus | 1", Figures: map[string]any{"durable_over_null_64": 0.5}})
	if err := b.write(path); err != nil {
		t.Fatal(err)
	}
	again, err := readBook(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, again); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Neither breaks the table.
	for line := range strings.Lines(render(again)) {
		if strings.HasPrefix(line, "| accept |") && strings.Count(line, "|") != 5 {
			t.Errorf("a row of another form: %s", line)
		}
	}
}

func TestOnlyWhatIsBetweenTheMarksIsReplaced(t *testing.T) {
	t.Parallel()
	got, err := replace("above\n"+begin+"\nold\n"+end+"\nbelow\n", "new\n")
	if want := "above\n" + begin + "\nnew\n" + end + "\nbelow\n"; err != nil || got != want {
		t.Errorf("got %q, error %v", got, err)
	}
	if _, err := replace("no marks\n", "new\n"); err == nil {
		t.Error("a page without marks was written")
	}
}
