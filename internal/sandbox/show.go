package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidelinehq/tideline/internal/sandbox/scene"
	"github.com/tidelinehq/tideline/wasim"
)

// shownMessages bounds what is shown of a phone's log.
const shownMessages = 1000

// Changes counts the changes of everything below, and gives a channel that is
// closed at the next one. Take it first, then look.
func (w *World) Changes() (count uint64, next <-chan struct{}) { return w.network.Changes() }

// Now is the network's time, which AdvanceClock sets forward.
func (w *World) Now() time.Time { return w.network.Now() }

// AdvanceClock sets the network's time forward until the next start.
func (w *World) AdvanceClock(d time.Duration) { w.network.AdvanceClock(d) }

// Phones lists all phones, ordered by number.
func (w *World) Phones() []scene.Phone {
	var out []scene.Phone
	for _, p := range w.network.Phones() {
		o := p.Options()
		shown := scene.Phone{
			Number: p.Number(), Name: o.Name, AutoReply: o.AutoReply, Registered: !o.Unregistered,
			Delivers: !o.NoDeliver, Reads: !o.NoDeliver && !o.NoRead, Online: p.Online(), Limited: p.ReachOutLimit(),
		}
		for _, c := range p.Companions() {
			shown.Clients = append(shown.Clients, scene.Client{
				Device: c.Device, Platform: c.Platform, LinkedAt: c.LinkedAt, Connected: c.Connected,
			})
		}
		out = append(out, shown)
	}
	return out
}

// Groups lists the groups, ordered by JID.
func (w *World) Groups() []scene.Group {
	var out []scene.Group
	for _, g := range w.network.Groups() {
		out = append(out, scene.Group{JID: g.JID.String(), Subject: g.Subject, Members: g.Members, Admins: g.Admins})
	}
	return out
}

// phone finds a phone by its number.
func (w *World) phone(number string) (*wasim.Phone, error) {
	if p, ok := w.network.Phone(number); ok {
		return p, nil
	}
	return nil, fmt.Errorf("%w: %s", scene.ErrNoPhone, number)
}

// Messages gives what a phone received and what it sent, the oldest first: of
// each the newest that it keeps.
func (w *World) Messages(number string) ([]scene.Message, error) {
	p, err := w.phone(number)
	if err != nil {
		return nil, err
	}
	log, err := p.Last(shownMessages)
	if err != nil {
		return nil, err
	}
	out := make([]scene.Message, 0, len(log))
	for _, r := range log {
		m := scene.Message{
			ID: r.ID, Chat: cmp.Or(r.Group, r.From), From: r.From, Own: r.FromMe, ByClient: r.FromMe, Kind: r.Kind,
			Text: r.Text, Target: r.Target, File: fileOf(r.Media), At: r.ArrivedAt, Attempts: r.Attempts,
		}
		if r.FromMe && r.Group == "" {
			m.Chat = r.To
		}
		out = append(out, m)
	}
	for _, s := range p.Sent() {
		out = append(out, scene.Message{
			ID: s.ID, Chat: s.To, From: p.Number(), Own: true, Kind: s.Kind, Text: s.Text, Target: s.Target,
			File: fileOf(s.Media), At: s.Timestamp, Attempts: 1,
		})
	}
	slices.SortStableFunc(out, func(a, b scene.Message) int { return a.At.Compare(b.At) })
	return out, nil
}

func fileOf(m *wasim.Media) *scene.File {
	if m == nil {
		return nil
	}
	return &scene.File{Kind: m.Kind, MIME: m.MIME, Name: m.FileName, Size: m.Size, Seconds: int(m.Seconds), Error: m.Error}
}

// Notes gives what servers told a phone other than messages, the oldest first.
func (w *World) Notes(number string) ([]scene.Note, error) {
	p, err := w.phone(number)
	if err != nil {
		return nil, err
	}
	var out []scene.Note
	for _, r := range p.Receipts() {
		kind := r.Type
		if kind == "" || kind == "inactive" {
			kind = "delivered" // to a client that nobody looks at, in the second case
		}
		out = append(out, scene.Note{At: r.Timestamp, From: r.From, Kind: kind, Message: r.MessageID})
	}
	for _, a := range p.Activities() {
		out = append(out, scene.Note{At: a.Timestamp, From: a.From, Kind: a.Kind, Group: a.Group})
	}
	slices.SortStableFunc(out, func(a, b scene.Note) int { return a.At.Compare(b.At) })
	return out, nil
}

// File gives the bytes of the attachment of a message on a phone, and its type.
func (w *World) File(number, message string) (data []byte, mime string, err error) {
	p, err := w.phone(number)
	if err != nil {
		return nil, "", err
	}
	return p.OpenFile(message)
}

// Faults lists what goes wrong until it is spent or cleared.
func (w *World) Faults() []scene.Fault {
	var out []scene.Fault
	for _, f := range w.network.Faults() {
		out = append(out, scene.Fault{
			ID: f.ID, Kind: string(f.Kind), Number: f.Number, Count: f.Count, Code: f.Code,
			Delay: f.Delay, Jitter: f.Jitter, FirstHost: f.FirstHost,
		})
	}
	return out
}

// plain removes the name of the emulator's package from an error that a person
// will read.
func plain(err error) error {
	if err == nil {
		return nil
	}
	if text := strings.TrimPrefix(err.Error(), "wasim: "); text != err.Error() {
		return &wording{text: text, err: err}
	}
	return err
}

// wording is an error in other words.
type wording struct {
	text string
	err  error
}

func (w *wording) Error() string { return w.text }
func (w *wording) Unwrap() error { return w.err }

// translate gives errors of the emulator the names that pages know.
func translate(err error) error {
	if errors.Is(err, wasim.ErrQRUnknown) {
		return errors.Join(scene.ErrNoPairing, err)
	}
	return plain(err)
}
