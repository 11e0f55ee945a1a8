package live

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// Doing is what somebody does in a chat.
type Doing string

// What people do. Nothing ends whatever they did.
const (
	Nothing   Doing = ""
	Looking   Doing = "looking" // has the chat open; of members only
	Typing    Doing = "typing"
	Recording Doing = "recording" // a voice message
)

// How long somebody is taken to do something after the last report of it. A
// contact's phone repeats "typing" about every ten seconds while it goes on, and
// not at all when it loses its connection. Pages repeat Typing every three seconds
// and Looking every thirty.
const (
	contactLife = 20 * time.Second
	typingLife  = 7 * time.Second
	lookingLife = 70 * time.Second
)

// Person is somebody who does something in a chat.
type Person struct {
	MemberID int64  // 0 = a contact
	Address  string // of a contact, to tell those of a group apart; "" for members
	Name     string // "" = not known
	Doing    Doing
}

// Activity is a report of what somebody does in a chat.
type Activity struct {
	WorkspaceID, AccountID, ChatID int64
	Person
}

// place is a chat.
type place struct{ workspaceID, accountID, chatID int64 }

// scene is what goes on in a chat.
type scene struct {
	people map[who]*doings
}

// who tells people apart.
type who struct {
	memberID int64
	address  string
}

// doings are what somebody does: a member who types looks at the same time.
type doings struct {
	name    string
	doing   Doing // Typing or Recording, until the time below
	until   time.Time
	looking time.Time // until then
}

// now gives what they do at a time; Nothing when all of it is over.
func (d *doings) now(at time.Time) Doing {
	switch {
	case at.Before(d.until):
		return d.doing
	case at.Before(d.looking):
		return Looking
	}
	return Nothing
}

// Report tells those who see the chat what somebody does there. It does not block.
func (h *Hub) Report(a Activity) {
	p := place{a.WorkspaceID, a.AccountID, a.ChatID}
	now := h.cfg.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	sc := h.activity[p]
	if sc == nil {
		if a.Doing == Nothing {
			return
		}
		sc = &scene{people: make(map[who]*doings)}
		h.activity[p] = sc
	}
	k := who{a.MemberID, a.Address}
	d := sc.people[k]
	if d == nil {
		d = &doings{}
		sc.people[k] = d
	}
	before, name := d.now(now), d.name
	if a.Name != "" {
		d.name = a.Name
	}
	switch a.Doing {
	case Typing, Recording:
		d.doing, d.until = a.Doing, now.Add(contactLife)
		if a.MemberID != 0 {
			d.until, d.looking = now.Add(typingLife), now.Add(lookingLife)
		}
	case Looking:
		d.until, d.looking = time.Time{}, now.Add(lookingLife)
	default:
		d.until, d.looking = time.Time{}, time.Time{}
	}
	if d.now(now) != before || d.name != name {
		h.stir(p)
	}
	if d.now(now) == Nothing {
		sc.leave(h, p, k)
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// leave forgets somebody.
func (sc *scene) leave(h *Hub, p place, k who) {
	delete(sc.people, k)
	if len(sc.people) == 0 {
		delete(h.activity, p)
	}
}

// stir tells subscriptions that a scene changed; h.mu is held.
func (h *Hub) stir(p place) {
	for s := range h.subs[p.workspaceID] {
		s.scenes[p] = struct{}{}
		s.signal()
	}
}

// scene is the notice of what goes on in a chat; h.mu is held.
func (h *Hub) scene(p place) Notice {
	n := Notice{Kind: KindActivity, AccountID: p.accountID, ChatID: p.chatID}
	now := h.cfg.Now()
	if sc := h.activity[p]; sc != nil {
		for k, d := range sc.people {
			if doing := d.now(now); doing != Nothing {
				n.People = append(n.People, Person{MemberID: k.memberID, Address: k.address, Name: d.name, Doing: doing})
			}
		}
	}
	slices.SortFunc(n.People, func(a, b Person) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.MemberID, b.MemberID), strings.Compare(a.Address, b.Address))
	})
	return n
}

// Run ends what nobody reports any more. When ctx ends it closes the hub.
func (h *Hub) Run(ctx context.Context) error {
	defer h.Close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next := h.expire(); next > 0 {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case <-timer.C:
		}
	}
}

// expire tells of what is over, and in how long the next is; 0 = there is none.
func (h *Hub) expire() (next time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.cfg.Now()
	for p, sc := range h.activity {
		for k, d := range sc.people {
			over := false
			for _, end := range []*time.Time{&d.until, &d.looking} {
				if end.IsZero() {
					continue
				}
				left := end.Sub(now)
				if left <= 0 {
					*end, over = time.Time{}, true
				} else if next == 0 || left < next {
					next = left
				}
			}
			if over {
				h.stir(p)
			}
			if d.now(now) == Nothing {
				sc.leave(h, p, k)
			}
		}
	}
	return next
}
