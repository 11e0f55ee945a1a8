package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/tideline"
)

// hosted serves content under a name somewhere else and gives its URL.
func (w *world) hosted(name, content string) string {
	w.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/"+name {
			http.NotFound(rw, r)
			return
		}
		_, _ = io.WriteString(rw, content)
	}))
	w.t.Cleanup(server.Close)
	return server.URL + "/" + name
}

func TestAFileIsUploadedByItsURLAsDocumented(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		w := newWorld(t, database, nil)
		url := w.hosted("prices.txt", "cheap")
		for _, body := range []map[string]any{
			{"download_url": url},
			{"url": url, "filename": nil},
			{"download_url": url, "url": "http://10.0.0.1/"},
		} {
			f := w.object(w.ask("POST", "/files", body))
			w.same("name", f["filename"], "prices.txt")
			w.same("size", f["size"], 5.0)
			w.same("uploader", f["uploaded_by_email"], w.owner.Email)
			if link, _ := f["temporary_download_url"].(string); !strings.Contains(link, "/files/"+f["uid"].(string)+"/download?") {
				t.Errorf("link %q", link)
			}
			w.same("listed as", w.object(w.get("/files/" + f["uid"].(string)))["filename"], "prices.txt")
		}
		f := w.object(w.ask("POST", "/files", map[string]any{"download_url": url, "filename": "mine.csv", "content_type": "text/csv"}))
		w.same("name", f["filename"], "mine.csv")
		w.same("type", f["mimetype"], "text/csv")

		for name, c := range map[string]struct {
			body   any
			fields []string
		}{
			"no URL":         {map[string]any{}, []string{"download_url"}},
			"a number":       {map[string]any{"download_url": 5}, []string{"download_url"}},
			"a bad alias":    {map[string]any{"url": 5}, []string{"url"}},
			"not there":      {map[string]any{"download_url": url + "x"}, []string{"download_url"}},
			"a neighbour":    {map[string]any{"download_url": "http://192.168.0.1/"}, []string{"download_url"}},
			"metadata":       {map[string]any{"download_url": "http://169.254.169.254/"}, []string{"download_url"}},
			"a long name":    {map[string]any{"download_url": url, "filename": strings.Repeat("x", 1025)}, []string{"filename"}},
			"no media type":  {map[string]any{"download_url": url, "content_type": "text"}, []string{"content_type"}},
			"all but a text": {map[string]any{"download_url": url, "filename": 1, "content_type": 2}, []string{"filename", "content_type"}},
		} {
			t.Log(name)
			w.refused(w.ask("POST", "/files", c.body), http.StatusBadRequest, "validation_error", c.fields...)
		}
		w.refused(w.do(request{method: "POST", path: "/files", body: "[]"}), http.StatusBadRequest, "validation_error")
		w.same("files", len(w.data(w.get("/files")).([]any)), 4)
		w.setPlan(func(p *tideline.Plan) { p.MaxFileBytes = 4 })
		w.refused(w.ask("POST", "/files", map[string]any{"download_url": url}), http.StatusRequestEntityTooLarge, "validation_error")
	})
}
