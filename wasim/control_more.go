package wasim

import (
	"fmt"
	"net/http"
	"time"
)

// The parts of the control API about what phones do besides writing text.

func (c control) moreRoutes() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET /sandbox/phones/{number}/activities": c.listActivities,
		"POST /sandbox/phones/{number}/typing":    c.typing,
		"POST /sandbox/phones/{number}/presence":  c.presence,
		"POST /sandbox/phones/{number}/calls":     c.call,
		"POST /sandbox/phones/{number}/contacts":  c.saveContact,
		"POST /sandbox/phones/{number}/block":     c.block,
		"POST /sandbox/phones/{number}/picture":   c.setPicture,
		"POST /sandbox/phones/{number}/unlink":    c.unlink,
		"POST /sandbox/phones/{number}/groups":    c.createGroup,
		"PATCH /sandbox/phones/{number}/groups":   c.changeGroup,
		"GET /sandbox/groups":                     c.listGroups,
		"POST /sandbox/phones/{number}/reach-out": c.limitReachOut,
		"POST /sandbox/version":                   c.requireVersion,
	}
}

// act decodes the body of a request about a phone and carries it out.
func act[T any](c control, r *http.Request, do func(p *Phone, body T) (any, error)) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	var body T
	if err := decodeBody(r.Body, &body); err != nil {
		return nil, err
	}
	answer, err := do(p, body)
	if answer == nil && err == nil {
		answer = struct{}{}
	}
	return answer, err
}

func (c control) listActivities(r *http.Request) (any, error) {
	p, err := c.phone(r)
	if err != nil {
		return nil, err
	}
	list := p.Activities()
	if list == nil {
		list = []Activity{}
	}
	return map[string]any{"activities": list}, nil
}

func (c control) typing(r *http.Request) (any, error) {
	type body struct {
		To    string `json:"to"`
		State string `json:"state"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) { return nil, p.Type(b.To, b.State) })
}

func (c control) presence(r *http.Request) (any, error) {
	type body struct {
		Online bool `json:"online"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		p.SetOnline(b.Online)
		return nil, nil
	})
}

// call begins a call, or ends the one that is named.
func (c control) call(r *http.Request) (any, error) {
	type body struct {
		To     string `json:"to"`
		Video  bool   `json:"video"`
		End    string `json:"end"`
		Reason string `json:"reason"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		if b.End != "" {
			return nil, p.HangUp(r.Context(), b.To, b.End, b.Reason)
		}
		id, err := p.Call(r.Context(), b.To, b.Video)
		return map[string]string{"id": id}, err
	})
}

func (c control) saveContact(r *http.Request) (any, error) {
	type body struct {
		Number    string `json:"number"`
		FirstName string `json:"first_name"`
		FullName  string `json:"full_name"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		return nil, p.SaveContact(r.Context(), b.Number, b.FirstName, b.FullName)
	})
}

func (c control) block(r *http.Request) (any, error) {
	type body struct {
		Number string `json:"number"`
		Block  *bool  `json:"block"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		return nil, p.Block(r.Context(), b.Number, b.Block == nil || *b.Block)
	})
}

func (c control) setPicture(r *http.Request) (any, error) {
	type body struct {
		Data []byte `json:"data"` // base64; none removes the picture
	}
	return act(c, r, func(p *Phone, b body) (any, error) { return nil, p.SetPicture(r.Context(), b.Data) })
}

func (c control) unlink(r *http.Request) (any, error) {
	type body struct {
		Device int `json:"device"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) { return nil, p.Unlink(r.Context(), b.Device) })
}

func (c control) createGroup(r *http.Request) (any, error) {
	type body struct {
		Subject string   `json:"subject"`
		Members []string `json:"members"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		jid, err := p.CreateGroup(r.Context(), b.Subject, b.Members...)
		return map[string]string{"jid": jid.String()}, err
	})
}

func (c control) changeGroup(r *http.Request) (any, error) {
	type body struct {
		Group       string   `json:"group"`
		Add         []string `json:"add"`
		Remove      []string `json:"remove"`
		Promote     []string `json:"promote"`
		Demote      []string `json:"demote"`
		Subject     *string  `json:"subject"`
		Description *string  `json:"description"`
		Announce    *bool    `json:"announce"`
		Locked      *bool    `json:"locked"`
		Leave       bool     `json:"leave"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		jid, ok := parseGroup(b.Group)
		if !ok {
			return nil, badRequest("group must be a group's JID such as 120363000000000000@g.us")
		}
		return nil, p.ChangeGroup(r.Context(), jid, GroupChange{
			Add: b.Add, Remove: b.Remove, Promote: b.Promote, Demote: b.Demote, Subject: b.Subject,
			Description: b.Description, Announce: b.Announce, Locked: b.Locked, Leave: b.Leave,
		})
	})
}

func (c control) listGroups(*http.Request) (any, error) {
	type view struct {
		JID         string   `json:"jid"`
		Subject     string   `json:"subject"`
		Description string   `json:"description"`
		Members     []string `json:"members"`
		Admins      []string `json:"admins"`
		Announce    bool     `json:"announce"`
		Locked      bool     `json:"locked"`
	}
	list := []view{}
	for _, g := range c.srv.Groups() {
		list = append(list, view{g.JID.String(), g.Subject, g.Description, g.Members, g.Admins, g.Announce, g.Locked})
	}
	return map[string]any{"groups": list}, nil
}

// fileBody is a file to send. Its data is base64 in JSON.
type fileBody struct {
	Kind    string `json:"kind"`
	MIME    string `json:"mime"`
	Name    string `json:"name"`
	Caption string `json:"caption"`
	Data    []byte `json:"data"`
}

// messageBody is the body of POST /sandbox/phones/{number}/messages: a text or a file, now or in the past.
type messageBody struct {
	To   string    `json:"to"`
	Text string    `json:"text"`
	File *fileBody `json:"file"`
	// Past makes the text part of the phone's history at that time instead of sending it. FromMe says that the
	// phone's owner wrote it.
	Past   *time.Time `json:"past"`
	FromMe bool       `json:"from_me"`
}

// limitReachOut restricts an account for so long from now; "0s" ends it.
func (c control) limitReachOut(r *http.Request) (any, error) {
	type body struct {
		For string `json:"for"`
	}
	return act(c, r, func(p *Phone, b body) (any, error) {
		d, err := time.ParseDuration(b.For)
		if err != nil {
			return nil, fmt.Errorf(`for: %w; use a duration such as "24h", or "0s" to end the limit`, err)
		}
		return nil, p.LimitReachOut(r.Context(), c.srv.now().Add(d))
	})
}

// requireVersion sets the oldest version of clients that may log in; "" admits all.
func (c control) requireVersion(r *http.Request) (any, error) {
	var body struct {
		Minimum string `json:"minimum"`
	}
	if err := decodeBody(r.Body, &body); err != nil {
		return nil, err
	}
	return struct{}{}, c.srv.RequireVersion(body.Minimum)
}
