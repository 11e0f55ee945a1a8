package wasim

import (
	"net/http"
	"time"
)

// The parts of the control API about phones as such: what they are, and what labels and clock they have.

func (c control) phoneRoutes() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"POST /sandbox/phones/{number}/read":   c.read,
		"GET /sandbox/phones/{number}/labels":  c.listLabels,
		"POST /sandbox/phones/{number}/labels": c.label,
		"GET /sandbox/clock":                   c.clock,
		"POST /sandbox/clock":                  c.advanceClock,
	}
}

type phoneView struct {
	Number     string          `json:"number"`
	Name       string          `json:"name"`
	AutoReply  string          `json:"auto_reply"`
	Registered bool            `json:"registered"`
	Delivers   bool            `json:"delivers"`
	Reads      bool            `json:"reads"`
	LID        string          `json:"lid"`
	HideNumber bool            `json:"hide_number"`
	ByNumber   bool            `json:"address_by_number"`
	History    HistoryMode     `json:"history"`
	Companions []companionView `json:"companions"`
}

type companionView struct {
	JID       string    `json:"jid"`
	Device    int       `json:"device"`
	Platform  string    `json:"platform"`
	LinkedAt  time.Time `json:"linked_at"`
	Connected bool      `json:"connected"`
}

func viewPhone(p *Phone) phoneView {
	o := p.Options()
	v := phoneView{
		Number: p.Number(), Name: o.Name, AutoReply: o.AutoReply, Registered: !o.Unregistered,
		Delivers: !o.NoDeliver, Reads: !o.NoDeliver && !o.NoRead, LID: p.LID().String(),
		HideNumber: o.HideNumber, ByNumber: o.AddressByNumber, History: o.History, Companions: []companionView{},
	}
	for _, d := range p.Companions() {
		v.Companions = append(v.Companions, companionView{d.JID.String(), d.Device, d.Platform, d.LinkedAt, d.Connected})
	}
	return v
}

func (c control) listPhones(*http.Request) (any, error) {
	list := []phoneView{}
	for _, p := range c.srv.Phones() {
		list = append(list, viewPhone(p))
	}
	return map[string]any{"phones": list}, nil
}

// phoneBody is the body of POST /sandbox/phones. What a body leaves out stays as it is on a phone
// that exists already.
type phoneBody struct {
	Number     string       `json:"number"`
	Name       *string      `json:"name"`
	AutoReply  *string      `json:"auto_reply"`
	Registered *bool        `json:"registered"`
	Delivers   *bool        `json:"delivers"`
	Reads      *bool        `json:"reads"`
	HideNumber *bool        `json:"hide_number"`
	ByNumber   *bool        `json:"address_by_number"`
	History    *HistoryMode `json:"history"`
}

func (c control) addPhone(r *http.Request) (any, error) {
	var body phoneBody
	if err := decodeBody(r.Body, &body); err != nil {
		return nil, err
	}
	var opts PhoneOptions
	if p, ok := c.srv.Phone(body.Number); ok {
		opts = p.Options()
	}
	opts.Number = body.Number
	set(&opts.Name, body.Name)
	set(&opts.AutoReply, body.AutoReply)
	setNot(&opts.Unregistered, body.Registered)
	setNot(&opts.NoDeliver, body.Delivers)
	setNot(&opts.NoRead, body.Reads)
	set(&opts.HideNumber, body.HideNumber)
	set(&opts.AddressByNumber, body.ByNumber)
	set(&opts.History, body.History)
	p, err := c.srv.AddPhone(r.Context(), opts)
	if err != nil {
		return nil, err
	}
	return viewPhone(p), nil
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func setNot(field, value *bool) {
	if value != nil {
		*field = !*value
	}
}

// read has a phone's owner read a message.
func (c control) read(r *http.Request) (any, error) {
	type body struct {
		ID string `json:"id"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) { return nil, p.Read(r.Context(), b.ID) })
}

func (c control) listLabels(r *http.Request) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	list, err := p.Labels()
	if err != nil {
		return nil, &controlError{http.StatusInternalServerError, err.Error()}
	}
	if list == nil {
		list = []Label{}
	}
	return map[string]any{"labels": list}, nil
}

// label makes a label, or puts one on a chat.
func (c control) label(r *http.Request) (any, error) {
	type body struct {
		ID    string `json:"id"`
		Name  string `json:"name"`
		Color int32  `json:"color"`
		Chat  string `json:"chat"`
		On    *bool  `json:"on"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		if b.Chat != "" {
			return nil, p.LabelChat(r.Context(), b.Chat, b.ID, b.On == nil || *b.On)
		}
		return nil, p.SaveLabel(r.Context(), Label{ID: b.ID, Name: b.Name, Color: b.Color})
	})
}

func (c control) clock(*http.Request) (any, error) {
	return map[string]time.Time{"now": c.srv.now().UTC()}, nil
}

func (c control) advanceClock(r *http.Request) (any, error) {
	var body struct {
		Advance string `json:"advance"`
	}
	if err := decodeBody(r.Body, &body); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(body.Advance)
	if err != nil || d < 0 {
		return nil, badRequest(`advance must be a duration such as "720h"; time doesn't go back`)
	}
	c.srv.AdvanceClock(d)
	return c.clock(r)
}
