package wasim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/wasim"
)

// call makes a request to the control API and decodes its answer.
func call(t *testing.T, h http.Handler, method, path, body string) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	raw, _ := io.ReadAll(w.Body)
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%s %s: %d %q: %v", method, path, w.Code, raw, err)
	}
	return w.Code, out
}

func TestControlDrivesTheNetwork(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	h := wasim.Control(srv)

	code, out := call(t, h, "POST", "/sandbox/phones", `{"number":"+14840000009","name":"Carla","auto_reply":"sim","registered":true}`)
	if code != 200 || out["number"] != "+14840000009" || out["name"] != "Carla" || out["registered"] != true {
		t.Errorf("%d %v", code, out)
	}
	// Added again, only what is named changes.
	code, out = call(t, h, "POST", "/sandbox/phones", `{"number":"14840000009","reads":false}`)
	if code != 200 || out["name"] != "Carla" || out["auto_reply"] != "sim" || out["reads"] != false {
		t.Errorf("%d %v", code, out)
	}
	if code, out = call(t, h, "GET", "/sandbox/phones", ""); code != 200 || len(out["phones"].([]any)) != 4 {
		t.Errorf("%d %v", code, out)
	}

	c := newClient(t, srv)
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	qr, _ := json.Marshal(map[string]string{"qr": event[*events.QR](c, 0, nil).Codes[0]})
	if code, out = call(t, h, "POST", "/sandbox/phones/"+business+"/scan", string(qr)); code != 200 || len(out["companions"].([]any)) != 1 {
		t.Fatalf("%d %v", code, out)
	}
	event[*events.Connected](c, 0, nil)
	resp := c.sendText("+14840000009", "bom dia <3")
	c.text(0, "sim")
	code, out = call(t, h, "GET", "/sandbox/phones/14840000009/messages", "")
	list := out["messages"].([]any)
	if code != 200 || len(list) != 1 {
		t.Fatalf("%d %v", code, out)
	}
	m := list[0].(map[string]any)
	if m["id"] != resp.ID || m["from"] != business || m["text"] != "bom dia <3" || m["timestamp"] == "" {
		t.Errorf("%v", m)
	}

	code, out = call(t, h, "POST", "/sandbox/phones/+14840000001/messages", `{"to":"`+business+`","text":"olá"}`)
	if code != 200 || out["id"] == "" {
		t.Errorf("%d %v", code, out)
	}
	c.text(0, "olá")

	code, out = call(t, h, "POST", "/sandbox/faults", `{"kind":"refuse","number":"+14840000001","code":463,"count":2}`)
	if code != 200 || out["fault"].(map[string]any)["id"] == "" {
		t.Errorf("%d %v", code, out)
	}
	if _, out = call(t, h, "GET", "/sandbox/faults", ""); len(out["faults"].([]any)) != 1 {
		t.Errorf("%v", out)
	}
	if code, out = call(t, h, "DELETE", "/sandbox/faults", ""); code != 200 || len(out["faults"].([]any)) != 0 {
		t.Errorf("%d %v", code, out)
	}
	if code, out = call(t, h, "GET", "/sandbox/unhandled", ""); code != 200 || len(out["unhandled"].([]any)) != 0 {
		t.Errorf("%d %v", code, out)
	}
}

func TestControlRefusesBadInput(t *testing.T) {
	t.Parallel()
	srv := network(t, wasim.Options{})
	h := wasim.Control(srv)
	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/sandbox/phones", ``, 400},
		{"POST", "/sandbox/phones", `[]`, 400},
		{"POST", "/sandbox/phones", `{"number":"abc"}`, 400},
		{"POST", "/sandbox/phones", `{"number":"+0123456789"}`, 400},
		{"POST", "/sandbox/phones", `{"number":"+14840000001"} {}`, 400},
		{"POST", "/sandbox/phones", `{"number":"+14840000001","title":"x"}`, 400},
		{"POST", "/sandbox/phones", "{\"number\":\"\xff\"}", 400},
		{"POST", "/sandbox/phones", `{"number":"+14840000001","name":"` + strings.Repeat("x", 300) + `"}`, 400},
		{"POST", "/sandbox/phones", `"` + strings.Repeat("x", 2<<20) + `"`, 413},
		{"GET", "/sandbox/phones/+19990000000/messages", ``, 404},
		{"GET", "/sandbox/phones/x/messages", ``, 400},
		{"GET", "/sandbox/phones/+14840000001/messages?limit=0", ``, 400},
		{"GET", "/sandbox/phones/+14840000001/messages?after=x", ``, 400},
		{"POST", "/sandbox/phones/+14840000001/messages", `{"to":"+14840000077","text":"x"}`, 400},
		{"POST", "/sandbox/phones/+14840000001/messages", `{"to":"+14840000100","text":""}`, 400},
		{"POST", "/sandbox/phones/+14840000001/scan", `{"qr":"nonsense"}`, 400},
		{"POST", "/sandbox/phones/+14840000001/code", `{"code":"nonsense"}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"earthquake"}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"cut","number":"+19990000000"}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"delay_ack"}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"delay_ack","delay":"soon"}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"refuse","count":-1}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"refuse","cuont":1}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"refuse_login"}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"refuse_upload","code":200}`, 400},
		{"POST", "/sandbox/faults", `{"kind":"refuse_upload","number":"+14840000001"}`, 400},
		{"GET", "/sandbox/nothing", ``, 404},
		{"PUT", "/sandbox/phones", ``, 404},
	} {
		code, out := call(t, h, tc.method, tc.path, tc.body)
		if code != tc.status || out["error"] == "" || out["error"] == nil {
			t.Errorf("%s %s %.60s: %d %v", tc.method, tc.path, tc.body, code, out)
		}
	}
}

func TestControlRefusesOtherOrigins(t *testing.T) {
	t.Parallel()
	h := wasim.Control(network(t, wasim.Options{}))
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/sandbox/faults", strings.NewReader(`{"kind":"cut"}`))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	h.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.168.1.1:0", "example.com:80", "nonsense"} {
		if srv, err := wasim.Start(t.Context(), wasim.Options{Listen: addr}); err == nil {
			_ = srv.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}
