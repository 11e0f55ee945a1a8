package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// complaints is how many docs/whatsapp.md has to answer.
const complaints = 37

// testNames gives the names of the module's test functions, and the texts that
// its tests give to scenarios of suites: names in tables and maps.
func testNames(t *testing.T) (functions map[string]bool, texts map[string]bool) {
	t.Helper()
	functions, texts = map[string]bool{}, map[string]bool{}
	set := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "node_modules" || d.Name() == "apigen") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "storetest") && !strings.Contains(path, "connectortest") || !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				functions[n.Name.Name] = true
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					texts[strings.Trim(n.Value, "`\"")] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return functions, texts
}

func TestTheDocumentsNameTestsThatExist(t *testing.T) {
	t.Parallel()
	functions, texts := testNames(t)
	names := regexp.MustCompile("`((?:Test|Fuzz)?[A-Z][A-Za-z0-9]+…?)`")
	document, err := os.ReadFile("../../docs/whatsapp.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range names.FindAllStringSubmatch(string(document), -1) {
		name, open := strings.CutSuffix(m[1], "…")
		found := functions[name] || texts[name]
		if open {
			found = found || anyBegins(functions, name) || anyBegins(texts, name)
		}
		if !found && (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") || !onScreen[name]) {
			t.Errorf("docs/whatsapp.md names %s, and there is no such test", m[1])
		}
	}
}

func anyBegins(names map[string]bool, with string) bool {
	for name := range names {
		if strings.HasPrefix(name, with) {
			return true
		}
	}
	return false
}

// onScreen are words of the API in docs/whatsapp.md that look like tests' names.
var onScreen = map[string]bool{"Delivered": true, "Sent": true, "Read": true, "Pending": true, "Failed": true, "TMPDIR": true}

func TestEveryComplaintHasATestOrAReason(t *testing.T) {
	t.Parallel()
	functions, _ := testNames(t)
	document, err := os.ReadFile("../../docs/whatsapp.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(document)) {
		if m := regexp.MustCompile(`^\| (\d\d) \|`).FindStringSubmatch(line); m != nil {
			rows[m[1]] = line
		}
	}
	for n := 1; n <= complaints; n++ {
		number := fmt.Sprintf("%02d", n)
		row, tested := rows[number], anyBegins(functions, "TestComplaint"+number)
		switch {
		case row == "":
			t.Errorf("docs/whatsapp.md has no line for complaint %s", number)
		case tested != strings.Contains(row, "`TestComplaint"+number+"…`"):
			t.Errorf("complaint %s: tests %t, the document says %s", number, tested, row)
		case !tested && !strings.Contains(row, "why not: "):
			t.Errorf("complaint %s has neither a test nor a reason", number)
		}
	}
	if len(rows) != complaints {
		t.Errorf("%d complaints are answered, there are %d", len(rows), complaints)
	}
}
