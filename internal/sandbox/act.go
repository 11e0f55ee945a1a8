package sandbox

import (
	"context"
	"errors"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/wasim"
)

// SavePhone adds a phone, or changes the one that has its number.
func (w *World) SavePhone(ctx context.Context, p scene.Phone) error {
	var o wasim.PhoneOptions
	if have, ok := w.network.Phone(p.Number); ok {
		o = have.Options()
	}
	o.Number, o.Name, o.AutoReply = p.Number, p.Name, p.AutoReply
	o.Unregistered, o.NoDeliver, o.NoRead = !p.Registered, !p.Delivers, !p.Reads
	_, err := w.network.AddPhone(ctx, o)
	return plain(err)
}

// Send writes as a phone's owner and gives the message's id. An answer goes to
// the chat of what it answers.
func (w *World) Send(ctx context.Context, number string, d scene.Draft) (string, error) {
	p, err := w.phone(number)
	if err != nil {
		return "", err
	}
	var id string
	switch {
	case d.File != nil && d.ReplyTo != "":
		return "", errors.New("a file can't be an answer here; send it without")
	case d.File != nil:
		id, err = p.SendFile(ctx, d.To, wasim.File{
			Kind: d.File.Kind, MIME: d.File.MIME, Name: d.File.Name, Caption: d.Text, Data: d.File.Data,
		})
	case d.ReplyTo != "":
		id, err = p.Reply(ctx, d.ReplyTo, d.Text)
	default:
		id, err = p.Send(ctx, d.To, d.Text)
	}
	return id, plain(err)
}

// React gives a message an emoji; "" takes it back.
func (w *World) React(ctx context.Context, number, message, emoji string) error {
	return w.as(number, func(p *wasim.Phone) error { return p.React(ctx, message, emoji) })
}

// Delete takes back a message that the phone sent.
func (w *World) Delete(ctx context.Context, number, message string) error {
	return w.as(number, func(p *wasim.Phone) error { return p.Delete(ctx, message) })
}

// Edit changes the text of a message that the phone sent.
func (w *World) Edit(ctx context.Context, number, message, text string) error {
	return w.as(number, func(p *wasim.Phone) error { return p.Edit(ctx, message, text) })
}

// Read has the phone's owner read a message.
func (w *World) Read(ctx context.Context, number, message string) error {
	return w.as(number, func(p *wasim.Phone) error { return p.Read(ctx, message) })
}

// Type shows the phone as composing, recording or paused.
func (w *World) Type(number, to, state string) error {
	return w.as(number, func(p *wasim.Phone) error { return p.Type(to, state) })
}

// SetOnline opens or closes the app on the phone.
func (w *World) SetOnline(number string, online bool) error {
	return w.as(number, func(p *wasim.Phone) error {
		p.SetOnline(online)
		return nil
	})
}

// Ring calls a number and gives up before anybody answers.
func (w *World) Ring(ctx context.Context, number, to string, video bool) error {
	return w.as(number, func(p *wasim.Phone) error {
		id, err := p.Call(ctx, to, video)
		if err != nil {
			return err
		}
		return p.HangUp(ctx, to, id, "timeout")
	})
}

// CreateGroup makes a group of the phone and others and gives its JID.
func (w *World) CreateGroup(ctx context.Context, number, subject string, members []string) (string, error) {
	p, err := w.phone(number)
	if err != nil {
		return "", err
	}
	jid, err := p.CreateGroup(ctx, subject, members...)
	if err != nil {
		return "", plain(err)
	}
	return jid.String(), nil
}

// Limit keeps the phone's account from writing to strangers for so long from
// now; zero ends that.
func (w *World) Limit(ctx context.Context, number string, d time.Duration) error {
	return w.as(number, func(p *wasim.Phone) error {
		if d <= 0 {
			return p.LimitReachOut(ctx, time.Time{})
		}
		return p.LimitReachOut(ctx, w.network.Now().Add(d))
	})
}

// Unlink removes a client, as the owner does in the phone's list of linked
// devices.
func (w *World) Unlink(ctx context.Context, number string, device int) error {
	return w.as(number, func(p *wasim.Phone) error { return p.Unlink(ctx, device) })
}

// SetFault makes something go wrong, at once for the kinds that act now.
func (w *World) SetFault(f scene.Fault) error {
	_, err := w.network.SetFault(wasim.Fault{
		Kind: wasim.FaultKind(f.Kind), Number: f.Number, Count: f.Count, Code: f.Code,
		Delay: f.Delay, Jitter: f.Jitter, FirstHost: f.FirstHost,
	})
	return plain(err)
}

// ClearFaults ends the faults with the ids, or all of them without any.
func (w *World) ClearFaults(ids ...string) { w.network.ClearFaults(ids...) }

// EnterCode types a linking code into the phone.
func (w *World) EnterCode(ctx context.Context, number, code string) error {
	return w.as(number, func(p *wasim.Phone) error { return p.EnterCode(ctx, code) })
}

// as does something with a phone.
func (w *World) as(number string, do func(p *wasim.Phone) error) error {
	p, err := w.phone(number)
	if err != nil {
		return err
	}
	return plain(do(p))
}
