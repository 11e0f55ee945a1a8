package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/wasim"
)

func TestTheSandboxsDocumentNamesEveryFault(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "sandbox.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range wasim.FaultKinds() {
		if !strings.Contains(string(page), "`"+string(kind)+"`") {
			t.Errorf("docs/sandbox.md doesn't name the fault %s", kind)
		}
	}
}
