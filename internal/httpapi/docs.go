package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"github.com/tidelinehq/tideline/api"
)

// DocsPath is where Docs belongs.
const DocsPath = "/docs"

// Docs is the API reference: a page at DocsPath that shows api/openapi.yaml, and
// the document itself at DocsPath+"/openapi.yaml". It works without a network.
// Mount it at DocsPath and at DocsPath+"/".
func Docs() http.Handler {
	document := api.OpenAPI()
	ui := v5emb.NewHandlerWithConfig(swgui.Config{
		Title:       "Tideline API",
		SwaggerJSON: DocsPath + "/openapi.yaml",
		BasePath:    DocsPath + "/",
		SettingsUI: map[string]string{
			"persistAuthorization": "false", // a token has no business in the browser's storage
		},
		AppendHead: template.HTML(`<meta name="viewport" content="width=device-width, initial-scale=1">`),
	})
	policy := docsPolicy(ui)
	started := time.Now()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		case r.URL.Path == DocsPath+"/openapi.yaml":
			h.Set("Content-Type", "application/yaml; charset=utf-8")
			http.ServeContent(w, r, "", started, bytes.NewReader(document))
		default:
			ui.ServeHTTP(w, r)
		}
	})
}

// docsPolicy allows the page its own scripts and nothing else: those from this
// server, and the two that stand in the page, by their hashes. Swagger UI sets
// styles from scripts, which can't be told from a stranger's.
func docsPolicy(page http.Handler) string {
	rendered := render(page)
	var hashes strings.Builder
	for rest := rendered; ; {
		_, after, ok := strings.Cut(rest, "<script>")
		if !ok {
			break
		}
		script, tail, _ := strings.Cut(after, "</script>")
		sum := sha256.Sum256([]byte(script))
		fmt.Fprintf(&hashes, " 'sha256-%s'", base64.StdEncoding.EncodeToString(sum[:]))
		rest = tail
	}
	return "default-src 'none'; script-src 'self'" + hashes.String() +
		"; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'" +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// render gives the page as a browser gets it.
func render(page http.Handler) string {
	var b bodyRecorder
	r, err := http.NewRequest(http.MethodGet, DocsPath+"/", http.NoBody) //nolint:noctx // served in place, not sent
	if err != nil {
		panic(err) // the address is a constant
	}
	page.ServeHTTP(&b, r)
	return b.body.String()
}

// bodyRecorder is an http.ResponseWriter that keeps only the body.
type bodyRecorder struct {
	header http.Header
	body   bytes.Buffer
}

func (b *bodyRecorder) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}
func (b *bodyRecorder) Write(p []byte) (int, error) { return b.body.Write(p) }
func (b *bodyRecorder) WriteHeader(int)             {}
