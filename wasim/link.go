package wasim

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"github.com/tidelinehq/tideline/wasim/internal/adv"
	"github.com/tidelinehq/tideline/wasim/internal/noise"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

const (
	qrRefs = 6 // a client shows the first for 60 s, the others for 20 s each

	// linkTimeout bounds each of the client's answers, when the caller's context doesn't.
	linkTimeout = 30 * time.Second

	maxDevice = 99
)

// Errors of linking a companion.
var (
	// ErrQRUnknown is returned by [Phone.ScanQR] for a code that no connected client shows.
	ErrQRUnknown = errors.New("wasim: no connected client shows this QR code; it may have expired")
	// ErrNoCode is returned by [Phone.EnterCode] when no connected client has asked to be linked to
	// this phone by code.
	ErrNoCode = errors.New("wasim: no connected client has asked this phone for a linking code")
	// ErrWrongCode is returned by [Phone.EnterCode] when the code isn't the one the client shows.
	ErrWrongCode = errors.New("wasim: the linking code doesn't match")
)

// linking is a connection's state while its client waits to be linked.
type linking struct {
	refs         []string
	registration uint32
	identity     [32]byte
	signed       publicKey
	platform     string
	hello        *codeHello // guarded by Server.mu
}

// codeHello is a client's request to be linked by code.
type codeHello struct {
	digits  string // of the phone it wants to be linked to
	ref     string
	wrapped []byte
	finish  chan codeFinish
}

// codeFinish is the client's second step.
type codeFinish struct {
	bundle   []byte
	identity []byte
}

// beginLinking greets a client that has no account yet with references for its QR codes.
func (c *conn) beginLinking() bool {
	reg := c.peer.Payload.GetDevicePairingData()
	id, ok := stanza.ParseKeyID(reg.GetESkeyID())
	if !ok || len(reg.GetERegid()) != 4 || len(reg.GetEIdent()) != 32 || len(reg.GetESkeyVal()) != 32 || len(reg.GetESkeySig()) != 64 {
		c.refuseLogin(400, 0)
		return false
	}
	l := &linking{
		registration: binary.BigEndian.Uint32(reg.GetERegid()),
		identity:     [32]byte(reg.GetEIdent()),
		signed:       publicKey{ID: id, Key: reg.GetESkeyVal(), Signature: reg.GetESkeySig()},
		platform:     "unknown",
	}
	var props waCompanionReg.DeviceProps
	if err := proto.Unmarshal(reg.GetDeviceProps(), &props); err == nil && props.GetOs() != "" {
		l.platform = props.GetOs()
	}
	children := make([]stanza.Node, qrRefs)
	for i := range children {
		ref := "2@" + base64.StdEncoding.EncodeToString(noise.NewSeed())
		l.refs = append(l.refs, ref)
		children[i] = stanza.Node{Tag: "ref", Content: []byte(ref)}
	}
	c.srv.mu.Lock()
	c.link = l
	for _, ref := range l.refs {
		c.srv.refs[ref] = c
	}
	c.srv.mu.Unlock()
	c.ask(stanza.Node{Tag: "pair-device", Content: children}) // the answer says nothing
	return true
}

// ScanQR links the client that shows the given QR text, as pointing the phone's camera at it does.
// It returns once the client has accepted and the link is kept; the client then reconnects by
// itself.
func (p *Phone) ScanQR(ctx context.Context, qr string) error {
	_, text, found := strings.Cut(qr, "#") // recent codes are a URL with the fields as fragment
	if !found {
		text = qr
	}
	fields := strings.Split(strings.TrimSpace(text), ",")
	if len(fields) < 4 {
		return errors.New("wasim: not a linking QR code: want ref,noise key,identity key,secret")
	}
	var parts [3][]byte
	for i := range parts {
		raw, err := base64.StdEncoding.DecodeString(fields[i+1])
		if err != nil || len(raw) != 32 {
			return fmt.Errorf("wasim: not a linking QR code: field %d isn't a key", i+2)
		}
		parts[i] = raw
	}
	p.srv.mu.RLock()
	c := p.srv.refs[fields[0]]
	p.srv.mu.RUnlock()
	if c == nil {
		return ErrQRUnknown
	}
	if string(parts[0]) != string(c.peer.Static[:]) || string(parts[1]) != string(c.link.identity[:]) {
		return errors.New("wasim: the QR code's keys aren't those of the client that shows it")
	}
	return p.linkTo(ctx, c, c.link.identity, parts[2])
}

// EnterCode links the client that has asked this phone to be linked and shows the given code, as
// typing it into the phone does.
func (p *Phone) EnterCode(ctx context.Context, code string) error {
	code, err := adv.NormalizeCode(code)
	if err != nil {
		return fmt.Errorf("wasim: %w", err)
	}
	var c *conn
	var hello *codeHello
	p.srv.mu.RLock()
	for candidate := range p.srv.conns {
		if l := candidate.link; l != nil && l.hello != nil && l.hello.digits == p.digits {
			c, hello = candidate, l.hello
		}
	}
	p.srv.mu.RUnlock()
	if c == nil {
		return ErrNoCode
	}
	own := p.identity()
	link, err := adv.NewLink(code, hello.wrapped, *own.Priv)
	if err != nil {
		return fmt.Errorf("wasim: %w", err)
	}
	c.write(stanza.Node{
		Tag: "notification",
		Attrs: stanza.Attrs{
			"type": "link_code_companion_reg", "from": types.ServerJID, "id": newID(), "t": p.srv.now().Unix(),
		},
		Content: []stanza.Node{{
			Tag:   "link_code_companion_reg",
			Attrs: stanza.Attrs{"stage": "primary_hello"},
			Content: []stanza.Node{
				{Tag: "link_code_pairing_ref", Content: []byte(hello.ref)},
				{Tag: "link_code_pairing_wrapped_primary_ephemeral_pub", Content: link.Wrapped},
				{Tag: "primary_identity_pub", Content: own.Pub[:]},
			},
		}},
	})
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	var finish codeFinish
	select {
	case finish = <-hello.finish:
	case <-c.ctx.Done():
		return errors.New("wasim: the client disconnected while being linked")
	case <-ctx.Done():
		return fmt.Errorf("wasim: the client doesn't answer: %w", ctx.Err())
	}
	identity, secret, err := link.Finish(finish.bundle)
	switch {
	case errors.Is(err, adv.ErrWrongCode):
		return ErrWrongCode
	case err != nil:
		return fmt.Errorf("wasim: %w", err)
	case string(identity[:]) != string(finish.identity) || identity != c.link.identity:
		return errors.New("wasim: the client's identity key changed while being linked")
	}
	return p.linkTo(ctx, c, identity, secret)
}

// linkTo makes the client of a connection a companion of the phone.
func (p *Phone) linkTo(ctx context.Context, c *conn, identity [32]byte, secret []byte) error {
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	d, err := p.newCompanion(c)
	if err != nil {
		return err
	}
	signed, err := adv.Sign(p.identity(), identity, secret, uint32(d.rec.Device), p.srv.now())
	if err != nil {
		return fmt.Errorf("wasim: %w", err)
	}
	// Kept before the client hears of it: a client that has stored its side must find ours.
	var e effects
	err = p.update(ctx, &e, func() error { return errors.Join(p.save(&e.batch), d.save(&e.batch)) })
	if err != nil {
		return fmt.Errorf("wasim: keep companion: %w", err)
	}
	answer := c.ask(stanza.Node{Tag: "pair-success", Content: []stanza.Node{
		{Tag: "device-identity", Content: signed.Container},
		{Tag: "device", Attrs: stanza.Attrs{"jid": d.jid(), "lid": d.lid()}},
		{Tag: "platform", Attrs: stanza.Attrs{"name": "android"}},
	}})
	var n *stanza.Node
	select {
	case n = <-answer:
	case <-c.ctx.Done():
		return errors.New("wasim: the client disconnected while being linked")
	case <-ctx.Done():
		return fmt.Errorf("wasim: the client doesn't answer: %w", ctx.Err())
	}
	if stanza.Str(n, "type") == "error" {
		e := stanza.Get(*n, "error")
		return errors.Join(
			fmt.Errorf("wasim: the client refused to be linked: %d %s", stanza.Int(&e, "code"), stanza.Str(&e, "text")),
			p.srv.forget(ctx, d))
	}
	if err = signed.Verify(stanza.Bytes(stanza.Get(*n, "pair-device-sign", "device-identity"))); err != nil {
		return errors.Join(fmt.Errorf("wasim: %w", err), p.srv.forget(ctx, d))
	}
	if err = p.srv.confirm(d); err != nil {
		return err
	}
	c.endStream("515", "") // the client reconnects, now with its account
	return nil
}

// newCompanion reserves a device number for the client of a connection.
func (p *Phone) newCompanion(c *conn) (*companion, error) {
	p.srv.mu.Lock()
	defer p.srv.mu.Unlock()
	device := p.lastDevice + 1
	if device > maxDevice {
		return nil, fmt.Errorf("wasim: phone has used up its %d device numbers", maxDevice)
	}
	p.lastDevice = device
	d := &companion{phone: p, key: deviceKey(p.digits, device), rec: companionRecord{
		Device:       device,
		Platform:     c.link.platform,
		LinkedAt:     p.srv.now().UTC(),
		Noise:        append([]byte(nil), c.peer.Static[:]...),
		Identity:     append([]byte(nil), c.link.identity[:]...),
		Registration: c.link.registration,
		Signed:       c.link.signed,
	}}
	p.companions[device] = d
	return d, nil
}

// confirm marks a companion as linked, lets the phone greet it, and tells those who cache the phone's
// devices.
func (s *Server) confirm(d *companion) error {
	var e effects
	err := d.phone.update(s.ctx, &e, func() error {
		d.mu.Lock()
		d.rec.Confirmed = true
		d.mu.Unlock()
		if err := d.save(&e.batch); err != nil {
			return err
		}
		s.announceDevices(d, true, &e)
		return d.phone.greetLocked(&e, d)
	})
	if err != nil {
		return fmt.Errorf("wasim: keep companion: %w", err)
	}
	s.log.Info("companion linked", "device", d.rec.Device)
	return nil
}

// forget removes a companion and everything kept for it.
func (s *Server) forget(ctx context.Context, d *companion) error {
	s.mu.Lock()
	delete(d.phone.companions, d.rec.Device)
	s.mu.Unlock()
	var e effects
	e.batch.Delete(bucketCompanion, d.key)
	e.batch.DeleteAll(bucketOneTime, d.key+"/")
	e.batch.DropQueue(d.key)
	s.announceDevices(d, false, &e)
	if err := s.commit(ctx, &e); err != nil {
		return fmt.Errorf("wasim: forget companion: %w", err)
	}
	s.log.Info("companion unlinked", "device", d.rec.Device)
	return nil
}

// Unlink removes a companion, as its owner does in the phone's list of linked devices. The client is
// logged out: at once when it is connected, else at its next login.
func (p *Phone) Unlink(ctx context.Context, device int) error {
	d := p.srv.companion(p.digits, device)
	if d == nil {
		return fmt.Errorf("wasim: phone has no companion with device number %d", device)
	}
	if err := p.srv.forget(ctx, d); err != nil {
		return err
	}
	if c := d.live(); c != nil {
		c.endStream("401", "device_removed")
	}
	return nil
}
