package httpapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/tidelinehq/tideline/api"
	"github.com/tidelinehq/tideline/internal/httpapi"
)

// contract is openapi.yaml, ready to check answers against.
var contract = sync.OnceValues(func() (routers.Router, error) {
	// Of any version: kin-openapi's own pattern ends with version 5, ours are 7.
	const uuid = `^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$`
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(uuid))
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(openapi3.NewLoader().Context); err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// checkContract fails the test when the answer to a documented operation is not
// one that openapi.yaml describes, or when an error's envelope has keys of its own.
func checkContract(t testing.TB, r *http.Request, status int, header http.Header, body []byte) {
	t.Helper()
	router, err := contract()
	if err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	find := r.Clone(t.Context())
	find.URL.Host, find.URL.Scheme = "", ""
	route, params, err := router.FindRoute(find)
	if err != nil {
		checkUndocumented(t, r, status, header, body)
		return
	}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route, PathParams: params},
		Status:                 status,
		Header:                 header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), input); err != nil {
		t.Errorf("%s %s answered %d %s, which openapi.yaml does not describe: %v", r.Method, r.URL.Path, status, body, err)
	}
}

// checkUndocumented holds what every answer without an operation has to be: an
// envelope, a page, or nothing.
func checkUndocumented(t testing.TB, r *http.Request, status int, header http.Header, body []byte) {
	t.Helper()
	switch {
	case r.Method == http.MethodHead, status == http.StatusNoContent, strings.Contains(r.URL.Path, "/download") && status < 300:
	case strings.HasPrefix(header.Get("Content-Type"), "text/html"):
		if !strings.HasPrefix(string(body), "<!DOCTYPE html>") {
			t.Errorf("%s %s: the page begins with %.40q", r.Method, r.URL.Path, body)
		}
	default:
		schema := envelopeSchema(t)
		var v any
		err := json.Unmarshal(body, &v)
		if err == nil {
			err = schema.VisitJSON(v)
		}
		if err != nil {
			t.Errorf("%s %s answered %d %s, which is no envelope: %v", r.Method, r.URL.Path, status, body, err)
		}
	}
}

func envelopeSchema(t testing.TB) *openapi3.Schema {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	return doc.Components.Schemas["ErrorResponse"].Value
}

func TestTheContractNamesEveryRoute(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := doc.Servers[0].URL; got != httpapi.Base {
		t.Errorf("the contract's server is %q, the handler is at %q", got, httpapi.Base)
	}
}
