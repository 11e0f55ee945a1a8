package wasim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

const (
	maxControlBody = 1 << 20
	maxPage        = 1000
)

// Control returns the HTTP API that drives a server from outside the process, with paths under
// /sandbox/. It has no authentication: mount it on loopback only.
//
//	GET    /sandbox/phones                    {"phones":[{"number","name","auto_reply","registered","companions":[…]}]}
//	POST   /sandbox/phones                    {"number":"+14840000001","name":"Ana","auto_reply":"hi","registered":true};
//	                                          also "delivers", "reads", "hide_number", "address_by_number", "history".
//	                                          What is left out stays as it is on a phone that exists
//	GET    /sandbox/phones/{number}/messages  {"messages":[{"id","from","text","media","timestamp",…}]}, newest last;
//	                                          ?after=SEQ and ?limit=N page through the log, else the newest come
//	POST   /sandbox/phones/{number}/messages  {"to":"+14840000100","text":"hello"} → {"id":"…"}; to may be a group's JID;
//	                                          {"file":{"kind","mime","name","caption","data"}} sends a file, in base64;
//	                                          "past":"2026-01-02T03:04:05Z" adds the text to the phone's history
//	                                          instead, with "from_me" as one of its owner's
//	POST   /sandbox/phones/{number}/scan      {"qr":"…"}
//	POST   /sandbox/phones/{number}/code      {"code":"ABCD-EFGH"}
//	GET    /sandbox/phones/{number}/receipts  {"receipts":[{"message_id","from","type","timestamp"}]}: what companions
//	                                          said about the phone's own messages, oldest first
//	POST   /sandbox/phones/{number}/read      {"id":"…"}: the owner reads a message that the phone left unread
//	GET    /sandbox/phones/{number}/activities  what clients do towards the phone: typing, presence, rejected calls
//	POST   /sandbox/phones/{number}/typing    {"to":"+14840000100","state":"composing"} or recording, paused
//	POST   /sandbox/phones/{number}/presence  {"online":true}
//	POST   /sandbox/phones/{number}/calls     {"to":"+14840000100","video":false} → {"id":"…"}, and
//	                                          {"to":"…","end":"ID","reason":"timeout"} to end it
//	POST   /sandbox/phones/{number}/contacts  {"number":"+14840000002","first_name":"Ben","full_name":"Ben Okafor"}
//	GET    /sandbox/phones/{number}/labels    {"labels":[{"id","name","color","chats":[…]}]}
//	POST   /sandbox/phones/{number}/labels    {"id":"1","name":"New customer","color":3} makes or renames a label,
//	                                          {"id":"1","chat":"+14840000001","on":true} puts it on a chat or takes it off
//	POST   /sandbox/phones/{number}/block     {"number":"+14840000002","block":true}
//	POST   /sandbox/phones/{number}/picture   {"data":"base64"}; {} removes it
//	POST   /sandbox/phones/{number}/unlink    {"device":1}
//	POST   /sandbox/phones/{number}/groups    {"subject":"Launch","members":["+14840000002"]} → {"jid":"…"}
//	PATCH  /sandbox/phones/{number}/groups    {"group":"…@g.us","add":[…]} and the other fields of [GroupChange]
//	POST   /sandbox/phones/{number}/reach-out {"for":"24h"}: the account may not write to strangers; "0s" ends that
//	GET    /sandbox/groups                    {"groups":[…]}
//	POST   /sandbox/version                   {"minimum":"2.3000.1047769893"}: older clients are refused; "" admits all
//	GET    /sandbox/network                   a [Network]: how clients connect
//	GET    /sandbox/clock                     {"now":"…"}: the network's time
//	POST   /sandbox/clock                     {"advance":"720h"} sets it forward
//	GET    /sandbox/faults                    {"faults":[…]}
//	POST   /sandbox/faults                    a [Fault] → {"fault":{…}}
//	DELETE /sandbox/faults                    clears all, or those named by ?id=
//	GET    /sandbox/unhandled                 {"unhandled":[…]}
//
// Requests that a web page of another origin makes are refused. The number in a path has its "+" or not. Bad
// input is answered with 400, an unknown phone or path with 404, each with {"error":"what to do"}.
func Control(srv *Server) http.Handler {
	c := control{srv}
	mux := http.NewServeMux()
	for pattern, handler := range map[string]func(*http.Request) (any, error){
		"GET /sandbox/phones":                    c.listPhones,
		"POST /sandbox/phones":                   c.addPhone,
		"GET /sandbox/phones/{number}/messages":  c.listMessages,
		"POST /sandbox/phones/{number}/messages": c.sendMessage,
		"POST /sandbox/phones/{number}/scan":     c.scan,
		"POST /sandbox/phones/{number}/code":     c.enterCode,
		"GET /sandbox/phones/{number}/receipts":  c.listReceipts,
		"GET /sandbox/network":                   c.network,
		"GET /sandbox/faults":                    c.listFaults,
		"POST /sandbox/faults":                   c.setFault,
		"DELETE /sandbox/faults":                 c.clearFaults,
		"GET /sandbox/unhandled":                 c.listUnhandled,
	} {
		mux.Handle(pattern, answer(handler))
	}
	for _, routes := range []map[string]func(*http.Request) (any, error){c.moreRoutes(), c.phoneRoutes()} {
		for pattern, handler := range routes {
			mux.Handle(pattern, answer(handler))
		}
	}
	mux.Handle("/sandbox/", answer(func(r *http.Request) (any, error) {
		return nil, &controlError{http.StatusNotFound, fmt.Sprintf("no %s %s here; see the documentation of wasim.Control", r.Method, r.URL.Path)}
	}))
	// A page open in the developer's browser must not be able to drive the sandbox.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(answer(func(*http.Request) (any, error) {
		return nil, &controlError{http.StatusForbidden, "the control API can't be used from a web page of another origin"}
	}))
	return guard.Handler(mux)
}

type control struct{ srv *Server }

// controlError is an error with the status that it is answered with.
type controlError struct {
	status int
	text   string
}

func (e *controlError) Error() string { return e.text }

func badRequest(format string, args ...any) error {
	return &controlError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// answer writes what a handler returns as JSON.
func answer(handler func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := handler(r)
		status := http.StatusOK
		if err != nil {
			var ce *controlError
			if status = http.StatusBadRequest; errors.As(err, &ce) {
				status = ce.status
			}
			body = map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(body) // a client that goes away is no error of ours
	})
}

// decodeBody reads a JSON object strictly: known fields, valid UTF-8, nothing after it.
func decodeBody(r io.Reader, into any) error {
	data, err := io.ReadAll(io.LimitReader(r, maxControlBody+1))
	switch {
	case err != nil:
		return badRequest("body not read: %v", err)
	case len(data) > maxControlBody:
		return &controlError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body may have %d bytes at most", maxControlBody)}
	case len(bytes.TrimSpace(data)) == 0:
		return badRequest("send a JSON object as body")
	case !utf8.Valid(data):
		return badRequest("the body isn't valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badRequest("the body isn't the JSON object expected: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("send one JSON object and nothing after it")
	}
	return nil
}

func (c control) phone(r *http.Request) (*Phone, error) {
	number := r.PathValue("number")
	if _, err := parseNumber(number); err != nil {
		return nil, badRequest("%v", err)
	}
	p, ok := c.srv.Phone(number)
	if !ok {
		return nil, &controlError{http.StatusNotFound, fmt.Sprintf("no phone has number %s; add it with POST /sandbox/phones", number)}
	}
	return p, nil
}

func (c control) listMessages(r *http.Request) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	limit := maxPage
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxPage {
			return nil, badRequest("limit must be a number from 1 to %d", maxPage)
		}
	}
	var list []Received
	if text := q.Get("after"); text != "" {
		after, err := strconv.ParseInt(text, 10, 64)
		if err != nil || after < 0 {
			return nil, badRequest("after must be the seq of a message")
		}
		if list, err = p.Received(after, limit); err != nil {
			return nil, &controlError{http.StatusInternalServerError, err.Error()}
		}
	} else if list, err = p.Last(limit); err != nil {
		return nil, &controlError{http.StatusInternalServerError, err.Error()}
	}
	if list == nil {
		list = []Received{}
	}
	return map[string]any{"messages": list}, nil
}

func (c control) sendMessage(r *http.Request) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	var body messageBody
	if err = decodeBody(r.Body, &body); err != nil {
		return nil, err
	}
	var id string
	switch {
	case body.File != nil && (body.Text != "" || body.Past != nil):
		return nil, badRequest("a file has a caption instead of a text, and can't be in the past")
	case body.Past != nil && (body.Text == "" || len(body.Text) > maxText):
		return nil, badRequest("a text has 1 to %d bytes", maxText)
	case body.File != nil:
		f := body.File
		id, err = p.SendFile(r.Context(), body.To, File{Kind: f.Kind, MIME: f.MIME, Name: f.Name, Caption: f.Caption, Data: f.Data})
	case body.Past != nil:
		id = newID()
		err = p.AddHistory(r.Context(), PastMessage{
			Chat: body.To, FromMe: body.FromMe, ID: id, Timestamp: *body.Past, Message: &waE2E.Message{Conversation: proto.String(body.Text)},
		})
	default:
		id, err = p.Send(r.Context(), body.To, body.Text)
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": id}, nil
}

func (c control) scan(r *http.Request) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		QR string `json:"qr"`
	}
	if err = decodeBody(r.Body, &body); err != nil {
		return nil, err
	}
	if err = p.ScanQR(r.Context(), body.QR); err != nil {
		return nil, err
	}
	return viewPhone(p), nil
}

func (c control) enterCode(r *http.Request) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	var body struct {
		Code string `json:"code"`
	}
	if err = decodeBody(r.Body, &body); err != nil {
		return nil, err
	}
	if err = p.EnterCode(r.Context(), body.Code); err != nil {
		return nil, err
	}
	return viewPhone(p), nil
}

func (c control) network(*http.Request) (any, error) { return c.srv.Network(), nil }

func (c control) listReceipts(r *http.Request) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	list := p.Receipts()
	if list == nil {
		list = []Receipt{}
	}
	return map[string]any{"receipts": list}, nil
}

func (c control) listFaults(*http.Request) (any, error) {
	list := c.srv.Faults()
	if list == nil {
		list = []Fault{}
	}
	return map[string]any{"faults": list}, nil
}

func (c control) setFault(r *http.Request) (any, error) {
	var f Fault
	if err := decodeBody(r.Body, &f); err != nil {
		return nil, err
	}
	f, err := c.srv.SetFault(f)
	if err != nil {
		return nil, err
	}
	return map[string]any{"fault": f}, nil
}

func (c control) clearFaults(r *http.Request) (any, error) {
	c.srv.ClearFaults(r.URL.Query()["id"]...)
	return c.listFaults(r)
}

func (c control) listUnhandled(*http.Request) (any, error) {
	type view struct {
		Time   time.Time `json:"time"`
		Device string    `json:"device"`
		Reason string    `json:"reason"`
		Stanza string    `json:"stanza"`
	}
	list := []view{}
	for _, u := range c.srv.Unhandled() {
		list = append(list, view{u.Time, u.Device.String(), u.Reason, u.Stanza})
	}
	return map[string]any{"unhandled": list}, nil
}
