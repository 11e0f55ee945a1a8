package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tidelinehq/tideline/internal/httpapi"
)

// TestEveryPathAnswersEveryMethod asks each path of the contract with methods
// that it has and with others, and with a slash at its end.
func TestEveryPathAnswersEveryMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	own := w.belongings()
	// Not w.do: the contract's router takes DELETE /files for DELETE /files/{uid}.
	ask := func(method, path string) answer {
		r := httptest.NewRequestWithContext(t.Context(), method, httpapi.Base+path, nil)
		r.Header.Set("Authorization", "Bearer "+w.token)
		got := httptest.NewRecorder()
		w.handler.ServeHTTP(got, r)
		return answer{got.Code, got.Header(), got.Body.Bytes()}
	}
	methods := map[string][]string{} // by path
	for _, operation := range contractOperations(t) {
		method, path, _ := strings.Cut(operation, " ")
		methods[path] = append(methods[path], method)
	}
	for path, has := range methods {
		if slices.Contains(has, http.MethodGet) {
			has = append(has, http.MethodHead)
		}
		has = append(has, http.MethodOptions)
		slices.Sort(has)
		asked := requestOf("", "GET "+path, own).path
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"} {
			if slices.Contains(has, method) || (path == "/messages/to_jid" || path == "/messages/to_chat_name") && (method == "GET" || method == "HEAD") {
				continue // a GET there asks for a message
			}
			got := ask(method, asked)
			w.refused(got, http.StatusMethodNotAllowed, "not_supported")
			if allow := got.header.Get("Allow"); allow != strings.Join(has, ", ") && !strings.HasPrefix(path, "/messages/to_") {
				t.Errorf("%s %s: Allow is %q, the path has %v", method, path, allow, has)
			}
		}
		if got := ask(http.MethodOptions, asked); got.status != http.StatusNoContent || len(got.body) > 0 {
			t.Errorf("OPTIONS %s: %d %q", path, got.status, got.body)
		}
		if slices.Contains(has, http.MethodHead) {
			head, get := ask(http.MethodHead, asked), ask(http.MethodGet, asked)
			if head.status != get.status || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
				t.Errorf("HEAD %s: %d %v, GET answers %d", path, head.status, head.header, get.status)
			}
		}
		for _, method := range has {
			got := ask(method, asked+"/")
			if got.status != http.StatusNotFound || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
				t.Errorf("%s %s/: %d %s", method, path, got.status, got.header.Get("Content-Type"))
			}
		}
	}
}

// TestUnknownKeysAndParametersAreIgnored asks every operation with more than it
// knows, as programs do.
func TestUnknownKeysAndParametersAreIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sqlite(t), nil)
	own := w.belongings()
	const more = `{"chat_id":7,"limit":"x","":null,"unknown":{"a":[1,{"b":"\u0000"}]},"Unknown":1,"unknown":2,"data":`
	for id, operation := range contractOperations(t) {
		if last(id) || walls[id].form {
			continue
		}
		r := requestOf(id, operation, own)
		r.path += "?limit=5&per_page=x&unknown=%00&whatsapp_account_phone=1"
		if id == "listEvents" {
			r.path = strings.Replace(r.path, "limit=5", "limit=6", 1) // known there
		}
		if r.body != "" {
			r.body = more + r.body + "," + strings.TrimPrefix(r.body, "{")
			r.body = strings.Replace(r.body, ",}", "}", 1)
		}
		if got := w.do(r); got.status != http.StatusOK {
			t.Errorf("%s %s: %d %s", operation, r.body, got.status, got.body)
		}
	}
}
