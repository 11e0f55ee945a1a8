package meow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	// WhatsApp gives six codes; the first lives a minute, the others 20 s
	// (whatsmeow qrchan.go). The phone code ends with them.
	firstQR     = time.Minute
	laterQR     = 20 * time.Second
	codeWindow  = firstQR + 5*laterQR
	pairTimeout = codeWindow + time.Minute

	// linkWait is how long WhatsApp may take to end the pairing's connection
	// after the phone has linked the device, and the account's first login to succeed.
	linkWait  = 5 * time.Second
	loginWait = 30 * time.Second

	// The display name must be "browser (system)" of common ones, or the server
	// answers 400 (whatsmeow pair-code.go).
	pairDisplay = "Chrome (Linux)"
)

// Why a pairing fails, for people.
var (
	errPairExpired   = errors.New("no code was used in time; start the pairing again")
	errPairClosed    = errors.New("WhatsApp closed the connection before the phone was linked; start the pairing again")
	errPairPasskey   = errors.New("WhatsApp asks this number for a passkey, which can't be given here; remove the passkey on the phone (Settings, Account, Passkeys) or pair from WhatsApp Web first, then try again")
	errPairOutdated  = errors.New("WhatsApp no longer accepts this version of the client; update Tideline, or announce a newer version with tideline whatsapp-version")
	errPairNotLinked = errors.New("the phone linked the device, but WhatsApp refused its first login; start the pairing again")
)

// pairing is one attempt to link a phone. It has a client of its own, which is
// thrown away afterwards: the account's session starts from what was stored.
type pairing struct {
	c      *Connector
	line   *line
	cli    *whatsmeow.Client
	req    whatsapp.PairRequest
	events chan any
	out    chan whatsapp.PairEvent
}

// Pair implements whatsapp.Connector.
func (c *Connector) Pair(ctx context.Context, req whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error) {
	line := c.net.line()
	p := &pairing{
		c: c, req: req, line: line,
		cli: c.client(c.sessions.container.NewDevice(), line),
		// More than the library says during a pairing; its goroutines must not wait.
		events: make(chan any, 64),
		// Every code, a new set after a secret changed, and the last event.
		out: make(chan whatsapp.PairEvent, 16),
	}
	p.cli.AddEventHandler(func(evt any) {
		select {
		case p.events <- evt:
		default:
			c.log.Warn("pairing falls behind; event dropped")
		}
	})
	if !c.spawn(func() { p.run(ctx) }) {
		return nil, errClosed
	}
	return p.out, nil
}

// run pairs and reports the last event.
func (p *pairing) run(ctx context.Context) {
	defer close(p.out)
	// The connection does not end with the caller's context: what the phone has
	// linked is finished properly.
	connCtx, endConn := context.WithCancel(p.c.ctx)
	linked, err := p.link(ctx, connCtx, endConn)
	hangUp(p.cli, p.line)
	endConn()
	if err == nil {
		err = p.login(linked.ID) //nolint:contextcheck // finished properly, see above
	}
	if err != nil {
		p.emit(whatsapp.PairEvent{Failed: err})
		return
	}
	jid := linked.ID.ToNonAD()
	p.emit(whatsapp.PairEvent{Paired: &whatsapp.Paired{
		JID:       tideline.JID(jid.String()),
		LID:       tideline.JID(linked.LID.ToNonAD().String()),
		DeviceJID: linked.ID.String(),
		Phone:     tideline.JID(jid.String()).Phone(),
		Name:      linked.BusinessName,
	}})
}

// emit hands out an event. The channel has room for all that can come; should
// nobody have read, the pairing must not hang, so the oldest gives way.
func (p *pairing) emit(e whatsapp.PairEvent) {
	for {
		select {
		case p.out <- e:
			return
		default:
		}
		select {
		case <-p.out:
		default:
		}
	}
}

// link shows codes until the phone has linked the device. connCtx is the
// connection's; ctx ends the wait for the phone.
func (p *pairing) link(ctx, connCtx context.Context, endConn context.CancelFunc) (*events.PairSuccess, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, pairTimeout, errPairExpired)
	defer cancel()
	dialed := context.AfterFunc(ctx, endConn)
	err := p.cli.ConnectContext(connCtx)
	dialed()
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s (%w)", reasonUnreachable(err), err)
	}
	show := codes{show: p.emit}
	defer show.stop()
	ended := false // by the server, as it does after a pairing
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-connCtx.Done():
			return nil, errClosed
		case <-show.due():
			if !show.next() {
				return nil, errPairExpired
			}
		case evt := <-p.events:
			switch e := evt.(type) {
			case *events.QR:
				if p.req.Phone == "" {
					show.start(e.Codes)
				} else if err := p.phoneCode(ctx); err != nil {
					return nil, err
				}
			case *events.RotateADVSecret:
				show.replace(e.OldSecret, e.NewSecret)
			case *events.ManualLoginReconnect:
				// The library tells of the success in a goroutine of its own, so this
				// can come first.
				ended = true
			case *events.PairSuccess:
				if !ended {
					p.settleLink()
				}
				return e, nil
			default:
				if err := pairFailure(evt); err != nil {
					return nil, err
				}
			}
		}
	}
}

// phoneCode asks for a code to be typed on the phone.
func (p *pairing) phoneCode(ctx context.Context) error {
	code, err := p.cli.PairPhone(ctx, p.req.Phone.Digits(), true, whatsmeow.PairClientChrome, pairDisplay)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, whatsmeow.ErrIQRateOverLimit) {
			return fmt.Errorf("WhatsApp gives no more codes for this number for now; wait an hour, or scan a QR code (%w)", err)
		}
		return fmt.Errorf("WhatsApp gave no code for this number (%w)", err)
	}
	p.emit(whatsapp.PairEvent{Code: strings.ReplaceAll(code, "-", "")})
	return nil
}

// settleLink waits until WhatsApp has taken note of the library's confirmation:
// it then ends the connection with code 515 (whatsmeow connectionevents.go).
func (p *pairing) settleLink() {
	timer := time.NewTimer(linkWait)
	defer timer.Stop()
	for {
		select {
		case evt := <-p.events:
			switch evt.(type) {
			case *events.ManualLoginReconnect, *events.Disconnected:
				return
			}
		case <-timer.C:
			return
		case <-p.c.ctx.Done():
			return
		}
	}
}

// login starts the account's session and waits for its first connection. Being
// slow is not a failure: the session is there and keeps trying.
func (p *pairing) login(device types.JID) error {
	ctx, cancel := context.WithTimeout(p.c.ctx, loginWait)
	defer cancel()
	s, err := p.c.session(ctx, device.String())
	if err != nil {
		return fmt.Errorf("start the linked account: %w", err)
	}
	s.connect()
	state, err := s.await(ctx, tideline.AccountActive, tideline.AccountLoggedOut, tideline.AccountBanned, tideline.AccountOutdated)
	switch {
	case p.c.ctx.Err() != nil:
		return errClosed
	case state == tideline.AccountOutdated:
		return errPairOutdated
	case state == tideline.AccountLoggedOut, state == tideline.AccountBanned:
		return errPairNotLinked
	case err != nil:
		p.c.log.Warn("linked account is not connected yet", "session", s.label, "err", err)
	}
	return nil
}

// pairFailure says which event ends a pairing, and why; nil for the others.
func pairFailure(evt any) error {
	switch e := evt.(type) {
	case *events.PairError:
		return fmt.Errorf("the phone's answer could not be used (%w)", e.Error)
	case *events.PairPasskeyRequest, *events.PairPasskeyConfirmation:
		return errPairPasskey
	case *events.PairPasskeyError:
		return fmt.Errorf("%w (%w)", errPairPasskey, e.Error)
	case *events.ClientOutdated:
		return errPairOutdated
	case *events.TemporaryBan:
		return fmt.Errorf("WhatsApp refuses the number for a while (%s)", e.Code)
	case *events.ConnectFailure:
		return fmt.Errorf("WhatsApp refused the pairing (%s)", e.Reason)
	case *events.LoggedOut:
		return fmt.Errorf("WhatsApp refused the pairing (%s)", e.Reason)
	case *events.Disconnected, *events.KeepAliveTimeout:
		return errPairClosed
	}
	return nil
}

// codes shows QR codes one after the other.
type codes struct {
	show  func(whatsapp.PairEvent)
	texts []string // the shown one first
	first bool     // the shown one is the first
	timer *time.Timer
}

// start shows the first of a set.
func (c *codes) start(texts []string) {
	c.texts, c.first = texts, true
	c.present()
}

// next shows the code after the shown one; false when there is none.
func (c *codes) next() bool {
	c.texts, c.first = c.texts[1:], false
	c.present()
	return len(c.texts) > 0
}

// replace shows the code anew with another secret in it.
func (c *codes) replace(old, secret string) {
	for i, text := range c.texts {
		c.texts[i] = strings.Replace(text, old, secret, 1)
	}
	c.present()
}

func (c *codes) present() {
	c.stop()
	if len(c.texts) == 0 {
		return
	}
	valid := laterQR
	if c.first {
		valid = firstQR
	}
	c.show(whatsapp.PairEvent{QR: &whatsapp.QR{Text: c.texts[0], ValidFor: valid}})
	c.timer = time.NewTimer(valid)
}

// due fires when the shown code ends. It is nil, and blocks, while none is shown.
func (c *codes) due() <-chan time.Time {
	if c.timer == nil {
		return nil
	}
	return c.timer.C
}

func (c *codes) stop() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}
