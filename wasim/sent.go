package wasim

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"
)

// Sent is one message that a phone has sent itself.
type Sent struct {
	Seq       int64     `json:"seq"`             // orders the messages that a phone has sent
	ID        string    `json:"id"`              // drawn by the phone
	To        string    `json:"to"`              // number with "+", or the group's JID
	Group     string    `json:"group,omitempty"` // the group's JID; empty in a direct chat
	Kind      string    `json:"kind"`            // as in [Received]
	Text      string    `json:"text"`
	Target    string    `json:"target,omitempty"`
	Media     *Media    `json:"media,omitempty"` // as the phone declared it
	Timestamp time.Time `json:"timestamp"`
}

// Sent returns what the phone has sent itself, automatic replies included, oldest first: the last 256 messages, which
// are those that it can repeat for a client that asks. What its linked clients sent is in [Phone.Received].
func (p *Phone) Sent() []Sent {
	var out []Sent
	for _, m := range p.sentMessages() {
		msg := new(waE2E.Message)
		if err := proto.Unmarshal(m.Plain, msg); err != nil {
			continue // it was marshalled here
		}
		c, ok := describe(msg)
		if !ok {
			continue
		}
		s := Sent{
			Seq: int64(m.Seq), ID: m.ID, To: cmp.Or(m.Group, "+"+m.To), Group: m.Group,
			Kind: c.kind, Text: c.text, Target: c.target, Timestamp: m.At.UTC(),
		}
		if c.file != nil {
			s.Media = declared(c.file)
		}
		out = append(out, s)
	}
	return out
}

// sentMessages returns what the phone keeps of its own, without what passes between it and its clients.
func (p *Phone) sentMessages() []sentMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.sent), func(m sentMessage) bool { return m.Peer })
}

// declared describes an attachment by what its message says of it.
func declared(f *fileRef) *Media {
	return &Media{
		Kind: f.kind, MIME: f.mime, FileName: f.name, Caption: f.caption,
		Size: int64(f.size), SHA256: hex.EncodeToString(f.sha256),
		Seconds: f.shown.seconds, Width: f.shown.width, Height: f.shown.height,
		Waveform: base64.StdEncoding.EncodeToString(f.shown.waveform), Thumbnail: base64.StdEncoding.EncodeToString(f.shown.thumbnail),
	}
}
