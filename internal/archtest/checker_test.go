package archtest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// house is a small repository that keeps all rules.
func house() graph {
	return graph{
		"./internal/tideline":                 {imports: []string{"errors"}},
		"./internal/store":                    {imports: []string{"./internal/tideline"}},
		"./internal/store/storetest":          {imports: []string{"./internal/store", "./internal/testenv", "testing"}},
		"./internal/store/sqlstore":           {imports: []string{"./internal/store", "./internal/tideline", "github.com/jackc/pgx/v5", "modernc.org/sqlite"}, tests: []string{"./internal/store/storetest"}},
		"./internal/blob":                     {},
		"./internal/blob/local":               {imports: []string{"./internal/blob"}},
		"./internal/blob/s3":                  {imports: []string{"./internal/blob"}},
		"./internal/whatsapp":                 {imports: []string{"./internal/tideline"}},
		"./internal/whatsapp/meow":            {imports: []string{"./internal/whatsapp", "go.mau.fi/whatsmeow"}, tests: []string{"./wasim"}},
		"./internal/safehttp":                 {},
		"./internal/message":                  {imports: []string{"./internal/credit", "./internal/store"}, tests: []string{"./internal/store/sqlstore", "./internal/testenv"}},
		"./internal/credit":                   {imports: []string{"./internal/tideline"}},
		"./internal/httpapi":                  {imports: []string{"./internal/message"}, tests: []string{"./internal/store/sqlstore"}},
		"./internal/testenv":                  {imports: []string{"github.com/jackc/pgx/v5"}},
		"./wasim":                             {imports: []string{"./wasim/internal/noise", "go.mau.fi/whatsmeow/binary"}},
		"./wasim/internal/noise":              {},
		"./client":                            {imports: []string{"./api"}},
		"./api":                               {},
		"./bench/accept":                      {imports: []string{"./internal/testenv", "./internal/store/sqlstore", "github.com/jackc/pgx/v5"}},
		"./cmd/tideline":                      {imports: []string{"./internal/httpapi", "./internal/store/sqlstore", "./internal/whatsapp/meow", "./wasim"}},
		"go.mau.fi/whatsmeow":                 {imports: []string{"go.mau.fi/libsignal/session"}},
		"internal/abi":                        {}, // the standard library's, not ours
		"go.mau.fi/whatsmeow/binary":          {},
		"github.com/jackc/pgx/v5":             {},
		"github.com/tidelinehq/tideline-apps": {imports: []string{"go.mau.fi/whatsmeow"}},
	}
}

func TestTheRulesAllowAHouseInOrder(t *testing.T) {
	t.Parallel()
	for _, v := range check(house(), rules()) {
		t.Error(v)
	}
}

// TestEveryRuleCanFail adds one forbidden import to the house for every rule
// and expects the rule to name that import and nothing else; a rule without a case
// here fails.
func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	type edge struct{ from, to string }
	cases := map[string]edge{
		"the domain stands alone":                                      {"./internal/tideline", "./internal/safehttp"},
		"the domain knows no technology":                               {"./internal/tideline", "database/sql"},
		"wasim is a product of its own":                                {"./wasim/internal/noise", "./internal/tideline"},
		"the client is public":                                         {"./client", "./internal/tideline"},
		"services know no transport and no adapter":                    {"./internal/message", "./internal/store/sqlstore"},
		"transports know no adapter":                                   {"./internal/httpapi", "./internal/blob/local"},
		"nothing imports cmd":                                          {"./bench/accept", "./cmd/tideline"},
		"the emulator stays out of production":                         {"./internal/message", "./wasim"},
		"only meow speaks whatsmeow":                                   {"./cmd/tideline", "go.mau.fi/whatsmeow"},
		"database drivers stay in the adapters":                        {"./internal/store", "modernc.org/sqlite"},
		"test support stays in tests":                                  {"./internal/httpapi", "./internal/testenv"},
		"./internal/store/sqlstore knows the domain and its interface": {"./internal/store/sqlstore", "./internal/message"},
		"./internal/blob/local knows the domain and its interface":     {"./internal/blob/local", "./internal/blob/s3"},
		"./internal/blob/s3 knows the domain and its interface":        {"./internal/blob/s3", "./internal/safehttp"},
		"./internal/whatsapp/meow knows the domain and its interface":  {"./internal/whatsapp/meow", "./internal/store"},
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			bad, ok := cases[r.name]
			if !ok {
				t.Fatal("no case shows that this rule can fail")
			}
			g := house()
			n := g[bad.from]
			n.imports = append(n.imports, bad.to)
			g[bad.from] = n
			want := violation{rule: r.name, from: bad.from, first: bad.to, target: bad.to, reason: r.reason}
			got := check(g, []rule{r})
			if diff := cmp.Diff([]violation{want}, got, cmp.AllowUnexported(violation{})); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADependencyThroughOthersIsReportedOnceWithItsFirstImport(t *testing.T) {
	t.Parallel()
	r := rule{name: "r", from: set{"./a/..."}, deny: set{"./z"}, deep: true}
	g := graph{
		"./a":   {imports: []string{"./b", "./a/c"}},
		"./a/c": {imports: []string{"./b"}},
		"./b":   {imports: []string{"./y"}},
		"./y":   {imports: []string{"./z", "./b"}},
		"./z":   {},
	}
	// ./a reaches ./z through ./a/c too; that is for ./a/c to mend.
	want := []violation{
		{rule: "r", from: "./a", first: "./b", target: "./z"},
		{rule: "r", from: "./a/c", first: "./b", target: "./z"},
	}
	if diff := cmp.Diff(want, check(g, []rule{r}), cmp.AllowUnexported(violation{})); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func TestTestFilesAreBoundOnlyWhereARuleSaysSo(t *testing.T) {
	t.Parallel()
	g := graph{"./a": {tests: []string{"./a", "./z"}}, "./z": {}}
	r := rule{from: set{"./a"}, deny: set{"./a", "./z"}}
	if got := check(g, []rule{r}); len(got) != 0 {
		t.Errorf("test files bound by a rule that is not about them: %v", got)
	}
	r.tests = true
	if got := check(g, []rule{r}); len(got) != 1 || got[0].target != "./z" {
		t.Errorf("got %v, want the import of ./z alone", got)
	}
}

func TestPatternsMatchWholePathElements(t *testing.T) {
	t.Parallel()
	s := set{"./internal/web/...", "net/http"}
	for path, want := range map[string]bool{
		"./internal/web":        true,
		"./internal/web/static": true,
		"./internal/webhook":    false,
		"net/http":              true,
		"net/http/httptest":     false,
		"internal/web":          false,
	} {
		if got := s.has(path); got != want {
			t.Errorf("%s: %t, want %t", path, got, want)
		}
	}
}
