package wasim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func FuzzDecodeBody(f *testing.F) {
	f.Add([]byte(`{"number":"+14840000001","name":"Ana","registered":true}`))
	f.Add([]byte(`{"kind":"delay_ack","delay":"1s"}`))
	f.Add([]byte("{\"number\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p phoneBody
		_ = decodeBody(bytes.NewReader(data), &p)
		var fault Fault
		if decodeBody(bytes.NewReader(data), &fault) != nil {
			return
		}
		if fault, err := fault.normalize(); err == nil {
			raw, err := json.Marshal(fault)
			if err != nil {
				t.Fatal(err)
			}
			var again Fault
			if err = json.Unmarshal(raw, &again); err != nil || again != fault {
				t.Errorf("%+v became %+v, %v", fault, again, err)
			}
		}
	})
}

// FuzzControl sends arbitrary bodies to every route that takes one.
func FuzzControl(f *testing.F) {
	srv, err := Start(f.Context(), Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = srv.Close() })
	for _, number := range []string{"+14840000001", "+14840000100"} {
		if _, err = srv.AddPhone(f.Context(), PhoneOptions{Number: number}); err != nil {
			f.Fatal(err)
		}
	}
	h := Control(srv)
	paths := []string{
		"/sandbox/phones", "/sandbox/faults", "/sandbox/phones/+14840000001/messages",
		"/sandbox/phones/14840000001/scan", "/sandbox/phones/14840000001/code",
	}
	f.Add(0, `{"number":"+14840000001"}`)
	f.Add(1, `{"kind":"cut"}`)
	f.Add(2, `{"to":"+14840000100","text":"hi"}`)
	f.Add(3, `{"qr":"2@x,AAAA,AAAA,AAAA,1"}`)
	f.Add(4, `{"code":"ABCD-EFGH"}`)
	f.Fuzz(func(t *testing.T, route int, body string) {
		path := paths[uint(route)%uint(len(paths))]
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body)))
		if !json.Valid(w.Body.Bytes()) || w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Errorf("POST %s %q: %d %s", path, body, w.Code, w.Body)
		}
		srv.ClearFaults()
	})
}

func FuzzParseNumber(f *testing.F) {
	f.Add("+14840000001")
	f.Fuzz(func(t *testing.T, s string) {
		digits, err := parseNumber(s)
		if err != nil {
			return
		}
		if again, err := parseNumber("+" + digits); err != nil || again != digits || len(hiddenID(digits)) != 15 {
			t.Errorf("%q became %q, %q, %v", s, digits, again, err)
		}
	})
}
