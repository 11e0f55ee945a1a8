package account

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidelinehq/tideline/internal/tideline"
	"github.com/tidelinehq/tideline/internal/whatsapp"
)

const (
	// keepPairing is how long a pairing that is over can still be looked at.
	keepPairing = 15 * time.Minute
	// tellEvery is how often a running pairing is told to the desks of other nodes,
	// and hearEvery how long one of theirs is believed to run without being told.
	tellEvery = 2 * time.Second
	hearEvery = 10 * time.Second
)

// Numbers is what a Desk has done: Service.
type Numbers interface {
	Pair(ctx context.Context, workspaceID int64, by tideline.Member, r whatsapp.PairRequest) (<-chan whatsapp.PairEvent, error)
	Reconnect(ctx context.Context, workspaceID, accountID int64) error
	Logout(ctx context.Context, workspaceID, accountID int64) error
	Remove(ctx context.Context, workspaceID, accountID int64) error
}

// Desk is where members pair accounts and take care of them. Only who administers
// the workspace may. A member has one pairing at a time, which goes on while they
// look elsewhere, and is found again when they come back.
type Desk struct {
	numbers Numbers
	now     func() time.Time

	mu       sync.Mutex
	pairings map[int64]*pairing // by member
	tell     func(memberID int64, p Pairing)
	heard    map[int64]heard // pairings that other nodes run, by member
}

// heard is what is known of a pairing that another node runs.
type heard struct {
	state Pairing
	at    time.Time
}

// NewDesk makes a Desk; now nil = time.Now.
func NewDesk(n Numbers, now func() time.Time) *Desk {
	if now == nil {
		now = time.Now
	}
	return &Desk{numbers: n, now: now, pairings: make(map[int64]*pairing), heard: make(map[int64]heard)}
}

// Tell names the one who tells the desks of other nodes how far a pairing is, which
// hear it by Heard. So a member finds a pairing again whichever node answers. fn must
// not block. Call it before the first pairing.
func (d *Desk) Tell(fn func(memberID int64, p Pairing)) { d.tell = fn }

// Heard notes how far a pairing is that another node runs. One that was replaced there
// ends here too: the member has begun another one, or ended it.
func (d *Desk) Heard(memberID int64, p Pairing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.pairings[memberID]; r != nil {
		if p.ID == r.state.ID && p.Over() && p.Replaced || p.ID > r.state.ID { // ids grow with time
			r.cancel()
			delete(d.pairings, memberID)
		} else if p.ID != r.state.ID {
			return // an older one of another node, which will end
		}
	}
	now := d.now()
	for member, h := range d.heard {
		if now.Sub(h.at) > keepPairing {
			delete(d.heard, member)
		}
	}
	d.heard[memberID] = heard{p, now}
}

// others tells other nodes how far a pairing is.
func (d *Desk) others(memberID int64, p Pairing) {
	if d.tell != nil {
		d.tell(memberID, p)
	}
}

// Pairing is how far a pairing is. While neither Code nor QR is set and it is not
// over, the code is still to come.
type Pairing struct {
	ID       string
	Seen     int            // grows with every step
	Phone    tideline.Phone // whose phone gets a code to type; "" = a QR code is scanned
	QR       string         // content of the QR code to draw
	QRUntil  time.Time      // when the next one follows
	Code     string         // eight characters to type on the phone
	Paired   *whatsapp.Paired
	Failed   error // says why and what to do
	EndedAt  time.Time
	Replaced bool // ended because the member began another one, or ended it
}

// Over reports whether nothing more will happen.
func (p *Pairing) Over() bool { return !p.EndedAt.IsZero() }

// pairing is one of a member.
type pairing struct {
	cancel context.CancelFunc
	state  Pairing // guarded by Desk.mu
}

// StartPairing begins to pair a phone for a member, by a code to type when phone is
// set, and ends the one that they began before. Errors: permission_denied,
// validation_error, rate_limit_exceeded.
func (d *Desk) StartPairing(ctx context.Context, p *tideline.Principal, phone tideline.Phone) (Pairing, error) {
	if err := mayAdminister(p); err != nil {
		return Pairing{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Pairing{}, err
	}
	d.EndPairing(p)
	// It outlives the request. It ends by itself: the connector stops giving codes
	// after a few minutes, and the service ends it when the server stops.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	events, err := d.numbers.Pair(ctx, p.Workspace.ID, p.Member, whatsapp.PairRequest{Phone: phone})
	if err != nil {
		cancel()
		return Pairing{}, err
	}
	r := &pairing{cancel: cancel, state: Pairing{ID: id.String(), Phone: phone}}
	d.mu.Lock()
	now := d.now()
	for member, old := range d.pairings {
		if old.state.Over() && now.Sub(old.state.EndedAt) > keepPairing {
			delete(d.pairings, member)
		}
	}
	if other := d.pairings[p.Member.ID]; other != nil { // begun at the same moment
		other.cancel()
	}
	d.pairings[p.Member.ID] = r
	delete(d.heard, p.Member.ID)
	state := r.state
	d.mu.Unlock()
	d.others(p.Member.ID, state)
	go d.follow(p.Member.ID, r, events)
	return state, nil
}

// follow notes the events of a pairing.
func (d *Desk) follow(memberID int64, r *pairing, events <-chan whatsapp.PairEvent) {
	defer r.cancel()
	repeat := time.NewTicker(tellEvery)
	defer repeat.Stop()
	for open := true; open; {
		var e whatsapp.PairEvent
		select {
		case e, open = <-events:
		case <-repeat.C:
			d.mu.Lock()
			state := r.state
			d.mu.Unlock()
			if !state.Over() {
				d.others(memberID, state)
			}
			continue
		}
		if !open {
			break
		}
		d.mu.Lock()
		s := &r.state
		s.Seen++
		switch {
		case e.QR != nil:
			s.QR, s.QRUntil = e.QR.Text, d.now().Add(e.QR.ValidFor)
		case e.Code != "":
			s.Code = e.Code
		case e.Paired != nil:
			s.Paired, s.EndedAt = e.Paired, d.now()
		default:
			s.Failed, s.EndedAt = e.Failed, d.now()
		}
		if s.Over() {
			s.QR, s.Code = "", "" // good for nothing any more
		}
		state := *s
		d.mu.Unlock()
		d.others(memberID, state)
	}
	d.mu.Lock()
	s := &r.state
	ended := s.Over()
	if !ended {
		s.Seen++
		s.QR, s.Code, s.EndedAt, s.Replaced = "", "", d.now(), true
	}
	state := *s
	d.mu.Unlock()
	if !ended {
		d.others(memberID, state)
	}
}

// PairingOf gives the member's pairing, running or over; ok is false when there is
// none, or it is long over.
func (d *Desk) PairingOf(p *tideline.Principal) (state Pairing, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if r := d.pairings[p.Member.ID]; r != nil {
		return r.state, !r.state.Over() || now.Sub(r.state.EndedAt) <= keepPairing
	}
	h, ok := d.heard[p.Member.ID]
	if !ok || h.state.Replaced || !h.state.Over() && now.Sub(h.at) > hearEvery {
		return Pairing{}, false
	}
	return h.state, true
}

// EndPairing ends the member's pairing, if there is one, and forgets it.
func (d *Desk) EndPairing(p *tideline.Principal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.pairings[p.Member.ID]; r != nil {
		r.cancel()
		delete(d.pairings, p.Member.ID)
	}
	if h, ok := d.heard[p.Member.ID]; ok {
		delete(d.heard, p.Member.ID)
		if !h.state.Over() { // the node that runs it ends it
			h.state.Replaced, h.state.EndedAt = true, d.now()
			d.others(p.Member.ID, h.state)
		}
	}
}

// Reconnect is Service.Reconnect for a member. Errors: permission_denied, not_found,
// conflict.
func (d *Desk) Reconnect(ctx context.Context, p *tideline.Principal, accountID int64) error {
	return d.administer(ctx, p, accountID, d.numbers.Reconnect)
}

// Logout is Service.Logout for a member. Errors: permission_denied, not_found.
func (d *Desk) Logout(ctx context.Context, p *tideline.Principal, accountID int64) error {
	return d.administer(ctx, p, accountID, d.numbers.Logout)
}

// Remove is Service.Remove for a member. Errors: permission_denied, not_found.
func (d *Desk) Remove(ctx context.Context, p *tideline.Principal, accountID int64) error {
	return d.administer(ctx, p, accountID, d.numbers.Remove)
}

func (d *Desk) administer(ctx context.Context, p *tideline.Principal, accountID int64, do func(ctx context.Context, workspaceID, accountID int64) error) error {
	if err := mayAdminister(p); err != nil {
		return err
	}
	return do(ctx, p.Workspace.ID, accountID)
}

func mayAdminister(p *tideline.Principal) error {
	if p.Member.Role.Administers() {
		return nil
	}
	return tideline.Errorf(tideline.CodePermissionDenied, "The role %q may not pair or remove numbers; ask an admin", p.Member.Role)
}
