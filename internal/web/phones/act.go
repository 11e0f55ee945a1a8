package phones

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/web/ui"
)

// form reads a short form and the number that it is about.
func form(q *ui.Request) (string, url.Values, error) {
	f, err := q.Form()
	return number(q), f, err
}

// done ends an action whose effect is seen on the page by itself.
func done(q *ui.Request, number, chat string, err error) error {
	if err != nil {
		return refused(q, err)
	}
	if q.WantsJSON() {
		return q.JSON(200, map[string]bool{"ok": true})
	}
	return q.Redirect(path(number, chat))
}

// refused gives an error of the world in a form that is shown to people.
func refused(q *ui.Request, err error) error {
	switch {
	case errors.Is(err, scene.ErrNoPhone):
		return ui.Missing()
	case errors.Is(err, scene.ErrNoPairing):
		return tideline.Errorf(tideline.CodeConflict, "%s", q.T("phones.error.pairing"))
	}
	return tideline.Errorf(tideline.CodeValidation, "%s", q.T("phones.error", "why", err))
}

// phoneOf finds a phone.
func (s *section) phoneOf(number string) (scene.Phone, error) {
	for _, p := range s.world.Phones() {
		if p.Number == number {
			return p, nil
		}
	}
	return scene.Phone{}, ui.Missing()
}

// add adds a customer's phone, or one for another WhatsApp number.
func (s *section) add(q *ui.Request) error {
	f, err := q.Form()
	if err != nil {
		return err
	}
	phone, err := tideline.ParsePhone(strings.TrimSpace(f.Get("number")))
	if err != nil {
		return tideline.Errorf(tideline.CodeValidation, "%s", q.T("phones.error.number"))
	}
	if _, err = s.phoneOf(string(phone)); err == nil {
		return tideline.Errorf(tideline.CodeConflict, "%s", q.T("phones.error.taken"))
	}
	err = s.world.SavePhone(q.Context(), scene.Phone{
		Number: string(phone), Name: strings.TrimSpace(f.Get("name")), AutoReply: strings.TrimSpace(f.Get("auto_reply")),
		Registered: true, Delivers: true, Reads: true,
	})
	if err != nil {
		return refused(q, err)
	}
	return q.Done(path(string(phone), ""), "phones.added", "number", string(phone))
}

// settings changes what the phone does by itself.
func (s *section) settings(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	p, err := s.phoneOf(n)
	if err != nil {
		return err
	}
	on := func(name string) bool { return f.Get(name) != "" }
	p.Name, p.AutoReply = strings.TrimSpace(f.Get("name")), strings.TrimSpace(f.Get("auto_reply"))
	p.Registered, p.Delivers, p.Reads = on("registered"), on("delivers"), on("reads")
	if err := s.world.SavePhone(q.Context(), p); err != nil {
		return refused(q, err)
	}
	return done(q, n, f.Get("chat"), s.world.SetOnline(n, on("online")))
}

func (s *section) react(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	return done(q, n, f.Get("chat"), s.world.React(q.Context(), n, f.Get("message"), f.Get("emoji")))
}

func (s *section) remove(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	return done(q, n, f.Get("chat"), s.world.Delete(q.Context(), n, f.Get("message")))
}

func (s *section) read(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	return done(q, n, f.Get("chat"), s.world.Read(q.Context(), n, f.Get("message")))
}

func (s *section) typing(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	return done(q, n, f.Get("to"), s.world.Type(n, f.Get("to"), f.Get("state")))
}

func (s *section) call(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	if err := s.world.Ring(q.Context(), n, f.Get("to"), f.Get("video") != ""); err != nil {
		return refused(q, err)
	}
	return q.Done(path(n, f.Get("to")), "phones.called")
}

// scan points the phone's camera at the code that a pairing shows.
func (s *section) scan(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	if err := s.world.Scan(q.Context(), n, f.Get("pairing")); err != nil {
		return refused(q, err)
	}
	return q.Done(path(n, ""), "phones.linked", "number", n)
}

// code types a linking code into the phone.
func (s *section) code(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	if err := s.world.EnterCode(q.Context(), n, f.Get("code")); err != nil {
		return refused(q, err)
	}
	return q.Done(path(n, ""), "phones.linked", "number", n)
}

func (s *section) unlink(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	device, err := strconv.Atoi(f.Get("device"))
	if err != nil {
		return ui.Missing()
	}
	if err := s.world.Unlink(q.Context(), n, device); err != nil {
		return refused(q, err)
	}
	return q.Done(path(n, ""), "phones.unlinked")
}

func (s *section) group(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	jid, err := s.world.CreateGroup(q.Context(), n, strings.TrimSpace(f.Get("subject")), f["member"])
	if err != nil {
		return refused(q, err)
	}
	return q.Done(path(n, jid), "phones.grouped", "name", strings.TrimSpace(f.Get("subject")))
}

// fault switches a scenario on or, when it is on, off.
func (s *section) fault(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	p, err := s.phoneOf(n)
	if err != nil {
		return err
	}
	one, ok := find(f.Get("fault"))
	if !ok {
		return ui.Missing()
	}
	if ids := one.active(p, s.world.Faults()); len(ids) > 0 {
		s.world.ClearFaults(ids...)
		return done(q, n, f.Get("chat"), nil)
	}
	for _, fault := range one.at(p) {
		if err := s.world.SetFault(fault); err != nil {
			return refused(q, err)
		}
	}
	return done(q, n, f.Get("chat"), nil)
}

// heal ends everything that was made to go wrong, or the limit of one number.
func (s *section) heal(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	switch limit := f.Get("limit"); limit {
	case "":
		s.world.ClearFaults()
		for _, p := range s.world.Phones() {
			if !p.Limited.After(s.world.Now()) {
				continue
			}
			if err := s.world.Limit(q.Context(), p.Number, 0); err != nil {
				return refused(q, err)
			}
		}
	case "on", "off":
		d := 24 * time.Hour
		if limit == "off" {
			d = 0
		}
		return done(q, n, f.Get("chat"), s.world.Limit(q.Context(), n, d))
	}
	return done(q, n, f.Get("chat"), nil)
}

// clock sets the network's time forward.
func (s *section) clock(q *ui.Request) error {
	n, f, err := form(q)
	if err != nil {
		return err
	}
	hours, err := strconv.Atoi(f.Get("hours"))
	if err != nil || hours < 1 || hours > 24*400 {
		return tideline.Errorf(tideline.CodeValidation, "%s", q.T("phones.error.hours"))
	}
	s.world.AdvanceClock(time.Duration(hours) * time.Hour)
	return q.Done(path(n, f.Get("chat")), "phones.forwarded", "hours", hours)
}
