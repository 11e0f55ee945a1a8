package httpapi_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidelinehq/tideline/api"
)

// refusal is what an operation must refuse besides what all operations of its
// kind do: how the request differs from a good one, and the answer.
type refusal struct {
	query  string // after the path
	body   string // "" = the good one
	status int
	code   string
	fields []string // that are blamed
}

// bad is a body, or with a leading "?" a query, that is refused with 400 because
// of the named fields.
func bad(request string, fields ...string) refusal {
	r := refusal{status: http.StatusBadRequest, code: "validation_error", fields: fields, body: request}
	if strings.HasPrefix(request, "?") {
		r.query, r.body = request, ""
	}
	return r
}

// unknown is a body, or with a leading "?" a query, that names something that the
// workspace doesn't have.
func unknown(request string) refusal {
	r := bad(request)
	r.status, r.code = http.StatusNotFound, "not_found"
	return r
}

const noUID = `"0190f2a4-5c3e-7d10-9f5b-2b1f6a1c7e51"`

// badTexts are what every send refuses; to is what else its body needs.
func badTexts(to string) []refusal {
	return []refusal{
		bad(`{`+to+`"text":""}`, "text"), bad(`{`+to+`"text":" \n"}`, "text"), bad(`{`+to+`"text":7}`, "text"),
		bad(`{`+to+`"text":"`+strings.Repeat("ä", 2001)+`"}`, "text"), bad(`{`+to+`"text":"","file_uid":`+noUID+`}`, "text"),
		bad(`{`+to+`"text":"x","label":"`+strings.Repeat("x", 65)+`"}`, "label"), bad(`{`+to+`"text":"x","file_url":"https://a.example/b"}`, "file_url"),
		bad(`{`+to+`"text":"x","attachment_template_id":"1"}`, "attachment_template_id"), bad(`{`+to+`"label":"\u0000","text":[]}`, "text", "label"),
		unknown(`{` + to + `"file_uid":` + noUID + `}`), unknown(`{` + to + `"attachment_template_id":4711}`),
	}
}

func and(lists ...[]refusal) []refusal { return slices.Concat(lists...) }

var (
	badPhones = []refusal{bad(`{"text":"x"}`, "phone"), bad(`{"phone":"hello","text":"x"}`, "phone"), bad(`{"phone":14840000001,"text":"x"}`, "phone"),
		unknown(`{"phone":"+14840000001","text":"x","whatsapp_account_phone":"+19999999999"}`),
		bad(`{"phone":"+14840000001","text":"x","whatsapp_account_id":"nobody@s.whatsapp.net"}`, "whatsapp_account_id"),
		unknown(`{"phone":"+14840000001","text":"x","whatsapp_account_id":"19999999999@s.whatsapp.net"}`)}
	badChatNames = []refusal{bad(`{"text":"x","chat_name":"`+strings.Repeat("x", 257)+`"}`, "chat_name"), bad(`{}`, "text")}
	badReplies   = []refusal{bad(`{"text":"x","reply_to":7}`, "reply_to"), unknown(`{"text":"x","reply_to":` + noUID + `}`)}
	badLists     = []refusal{bad("?page=0", "page"), bad("?page=-1", "page"), bad("?page=two", "page"), bad("?page=99999999999999999999", "page"),
		bad("?group=7", "group"), bad("?read=x&closed=y", "read", "closed"), bad("?chatgpt_autoresponse_enabled=x", "chatgpt_autoresponse_enabled"),
		bad("?with_msg=x", "with_msg"), bad("?created_after=yesterday", "created_after"), bad("?created_before=yesterday", "created_before"),
		bad("?label=%00", "label"), bad("?name=%ff", "name")}
	badHistories = []refusal{bad("?page=0", "page"), bad("?from_me=7", "from_me"), bad("?after=x", "after"), bad("?before=x", "before"),
		bad("?sorting_order=up", "sorting_order"), bad("?after_message=x", "after_message")}
	badReactions = []refusal{bad(`{}`, "reaction"), bad(`{"reaction":7}`, "reaction"), bad(`{"reaction":"`+strings.Repeat("x", 51)+`"}`, "reaction")}
	badLabels    = []refusal{bad(`{}`, "labels"), bad(`{"label":"x"}`, "labels"), bad(`{"labels":[7]}`, "labels.0"), bad(`{"labels":["`+strings.Repeat("x", 65)+`"]}`, "labels.0")}
)

// refusals has what single operations refuse, by their ids.
var refusals = map[string][]refusal{
	"sendMessage":           and(badPhones, badTexts(`"phone":"+14840000001",`)),
	"sendMessageV2":         and(badPhones, badTexts(`"phone":"+14840000001",`)),
	"sendMessageToJID":      and([]refusal{bad(`{"text":"x"}`, "jid"), bad(`{"text":"x","jid":"+14840000001"}`, "jid")}, badTexts(`"jid":"14840000001@s.whatsapp.net",`)),
	"sendMessageToChat":     and(badChatNames, badReplies, badTexts("")),
	"sendMessageToChatV2":   and(badChatNames, badTexts("")),
	"sendMessageToChatName": and([]refusal{bad(`{"text":"x"}`, "chat_name"), unknown(`{"text":"x","chat_name":"Nobody"}`)}, badTexts(`"chat_name":"Ana",`)),
	"sendVoiceMessage":      {bad(formWith("a.txt", "words"), "file"), bad(formWith("a.ogg", ""), "file")},
	"sendFileMessage":       {bad(formWith("a.txt", ""), "file")},
	"uploadFile":            {bad(formWith("a.txt", ""), "file")},
	"uploadFileByURL": {bad(`{}`, "download_url"), bad(`{"download_url":7}`, "download_url"), bad(`{"download_url":"ftp://a.example/b"}`, "download_url"),
		bad(`{"url":"https://a:b@a.example/c"}`, "download_url"), bad(`{"download_url":"http://10.0.0.1/metadata"}`, "download_url")},
	"createWebhook": {bad(`{}`, "event_type", "url"), bad(`{"event_type":"chat:created","url":"https://a.example/"}`, "event_type"),
		bad(`{"event_type":"message:new","url":"ftp://a.example/"}`, "url"), bad(`{"event_type":"message:new","url":"https://a=b:c@a.example/"}`, "url"),
		bad(`{"event_type":"message:new","url":"https://a.example/`+strings.Repeat("x", 4096)+`"}`, "url"),
		bad(`{"event_type":7,"url":7,"enabled":"yes"}`, "event_type", "url", "enabled")},
	"updateWebhook":      {bad(`{"event_type":"chat:created"}`, "event_type"), bad(`{"url":"example.com"}`, "url"), bad(`{"enabled":1}`, "enabled")},
	"listEvents":         {bad("?after=x", "after"), bad("?limit=0", "limit"), bad("?limit=501", "limit"), unknown("?after=" + strings.Trim(noUID, `"`))},
	"setMessageReaction": badReactions, "putMessageReaction": badReactions,
	"listChats": badLists, "listChatsV2": badLists,
	"listChatMessages": badHistories, "listChatMessagesV2": badHistories,
	"updateChat": {bad(`{"name":""}`, "name"), bad(`{"closed":"x","read":1}`, "closed", "read"), bad(`{"name":"`+strings.Repeat("x", 257)+`"}`, "name"),
		unknown(`{"responsible":"nobody@acme.example"}`)},
	"replaceChatLabels": badLabels, "addChatLabels": badLabels,
	"addNote":   {bad(`{}`, "text"), bad(`{"text":"`+strings.Repeat("x", 10001)+`"}`, "text"), bad(`{"text":"x","is_private":7}`, "is_private")},
	"listFiles": {bad("?filename=%00", "filename")},
	"inviteTeammate": {bad(`{}`, "email", "role"), bad(`{"email":"x","role":"boss"}`, "email", "role"), bad(`{"email":"a@b.c","role":"owner"}`, "role"),
		bad(`{"email":"a@b.c","role":"agent","first_name":"`+strings.Repeat("x", 151)+`"}`, "first_name")},
	"createTemplate":       {bad(`{}`, "name", "text"), bad(`{"name":"x","text":"x","visibility":"secret"}`, "visibility"), unknown(`{"name":"x","text":"x","team_title":"Nowhere"}`)},
	"updateTemplate":       {bad(`{"name":""}`, "name"), bad(`{"text":7}`, "text"), unknown(`{"team_title":"Nowhere"}`)},
	"trackTemplateUsage":   {bad(`{"origin":7}`, "origin")},
	"trackTemplateUsageV2": {bad(`{}`, "template_id", "origin"), bad(`{"template_id":"1","origin":"x"}`, "template_id"), unknown(`{"template_id":4711,"origin":"x"}`)},
}

// TestTheDocumentOfCompatibilityNamesEveryEventType holds it to the contract. A
// row may name the first type of a group whole and the rest by their ends.
func TestTheDocumentOfCompatibilityNamesEveryEventType(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	types := doc.Components.Schemas["EventType"].Value.Enum
	if len(types) == 0 {
		t.Fatal("the contract has no event types")
	}
	for _, v := range types {
		name := v.(string)
		if strings.HasPrefix(name, "waba:") {
			name = "waba:…"
		}
		short := "…" + name[strings.LastIndex(name, ":"):]
		if !strings.Contains(string(text), "`"+name+"`") && !strings.Contains(string(text), "`"+short+"`") {
			t.Errorf("docs/compatibility.md says nothing about %s", name)
		}
	}
}
