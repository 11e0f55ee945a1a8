package wasim

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.mau.fi/whatsmeow/types"

	"github.com/tidelinehq/tideline/wasim/internal/stanza"
)

// strike carries out a fault that acts now.
func (s *Server) strike(f Fault) error {
	phones := s.Phones()
	if f.Number != "" {
		p, _ := s.Phone(f.Number)
		phones = []*Phone{p}
	}
	var errs []error
	for _, p := range phones {
		switch f.Kind {
		case FaultLoseSessions:
			errs = append(errs, p.loseSessions(s.ctx))
			continue
		case FaultLoseKeys:
			errs = append(errs, p.loseKeys(s.ctx))
			continue
		case FaultNewPhone:
			errs = append(errs, p.replace(s.ctx))
			continue
		}
		for _, d := range s.companions(p) {
			if f.Kind == FaultLogout {
				errs = append(errs, p.Unlink(s.ctx, d.rec.Device))
				continue
			}
			if c := d.live(); c != nil {
				c.strike(f)
			}
		}
	}
	return errors.Join(errs...)
}

// strike carries out a fault of connections.
func (c *conn) strike(f Fault) {
	switch f.Kind {
	case FaultCut:
		c.cut()
	case FaultRestart:
		c.endStream("503", "")
	case FaultStreamError:
		c.endStream(strconv.Itoa(f.Code), "")
	case FaultKick:
		c.endStream("", "replaced")
	case FaultHalfOpen:
		c.silent.Store(true)
	}
}

// loseSessions makes the phone forget its Signal sessions and the sender keys of groups. Its own keys, and the
// one-time keys that it has handed out, stay: what was encrypted under those can still be read.
func (p *Phone) loseSessions(ctx context.Context) error {
	var e effects
	err := p.update(ctx, &e, func() error {
		p.loseSessionsLocked(&e)
		return nil
	})
	if err != nil {
		return fmt.Errorf("wasim: sessions not forgotten: %w", err)
	}
	return nil
}

func (p *Phone) loseSessionsLocked(e *effects) {
	for addr := range p.signal.sessions {
		e.batch.Delete(bucketSession, p.digits+"/"+addr)
	}
	for name := range p.signal.senderKeys {
		e.batch.Delete(bucketSenderKey, p.digits+"/"+name)
	}
	clear(p.signal.sessions)
	clear(p.signal.senderKeys)
	clear(p.keySent)
}

// replace moves the phone's owner to a new phone. Its log stays, as from a backup.
func (p *Phone) replace(ctx context.Context) error {
	var errs []error
	for _, d := range p.srv.companions(p) {
		errs = append(errs, p.Unlink(ctx, d.rec.Device))
	}
	var e effects
	errs = append(errs, p.update(ctx, &e, func() error {
		p.loseSessionsLocked(&e)
		for id := range p.signal.oneTime {
			e.batch.Delete(bucketPhoneKey, oneTimeKey(p.digits, id))
		}
		clear(p.signal.oneTime)
		p.drawKeys()
		p.tellIdentity(&e)
		return p.save(&e.batch)
	}))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("wasim: phone not replaced: %w", err)
	}
	return nil
}

// tellIdentity tells clients that know the phone's devices that its identity changed (whatsmeow notification.go,
// handleEncryptNotification).
func (p *Phone) tellIdentity(e *effects) {
	p.watchMu.Lock()
	defer p.watchMu.Unlock()
	for w := range p.watchers {
		if p.srv.companion(w.dev.phone.digits, w.dev.rec.Device) != w.dev {
			continue // it is unlinked by now
		}
		id := newID()
		e.queue(w.dev, 0, "notification", id, "encrypt", stanza.Node{
			Tag:     "notification",
			Attrs:   stanza.Attrs{"type": "encrypt", "from": w.addr, "id": id, "t": p.srv.now().Unix()},
			Content: []stanza.Node{{Tag: "identity"}},
		})
	}
}

// loseKeys makes the server run out of the one-time keys of the phone's companions.
func (p *Phone) loseKeys(ctx context.Context) error {
	var e effects
	for _, d := range p.srv.companions(p) {
		d.mu.Lock()
		for _, k := range d.oneTime {
			e.batch.Delete(bucketOneTime, oneTimeKey(d.key, k.ID))
		}
		d.oneTime = nil
		d.mu.Unlock()
		p.srv.askForKeys(d, 0, &e)
	}
	if err := p.srv.commit(ctx, &e); err != nil {
		return fmt.Errorf("wasim: keys not dropped: %w", err)
	}
	return nil
}

// askForKeys tells a companion how few of its one-time keys are left.
func (s *Server) askForKeys(d *companion, left int, e *effects) {
	id := newID()
	e.queue(d, 0, "notification", id, "encrypt", stanza.Node{
		Tag:     "notification",
		Attrs:   stanza.Attrs{"type": "encrypt", "from": types.ServerJID, "id": id, "t": s.now().Unix()},
		Content: []stanza.Node{{Tag: "count", Attrs: stanza.Attrs{"value": left}}},
	})
}
