package main

import (
	"cmp"
	"fmt"
	"slices"
)

// verdict is what the checker found.
type verdict struct {
	Outbound int `json:"outbound"` // accepted by Tideline
	Sent     int `json:"outbound_sent"`
	Failed   int `json:"outbound_failed"`  // refused by the network, and not shown
	Unknown  int `json:"outbound_unknown"` // failed although shown: an attempt got through, its acknowledgement was lost, late or died with the server, and the next was refused
	NoFetch  int `json:"phone_fetches_failed"`

	Inbound int `json:"inbound"` // copies that had to be stored: one for each account concerned
	Reacted int `json:"reactions"`

	Repeated int `json:"wire_repetitions"` // messages that went over the wire more than once
	Retried  int `json:"retries_asked"`    // by phones that could not decrypt

	// Problems are whatever is not accounted for, each with its kind before the colon.
	Problems []string `json:"-"`
}

func (v *verdict) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// copyKey names one stored copy of a message: ids are unique in a chat only.
type copyKey struct{ account, chat, id string }

// checker holds the facts by what they are looked up by.
type checker struct {
	facts
	verdict
	copies map[copyKey][]*row
	byUID  map[string]*row
	shown  map[string][]*shown // by message id
	due    map[copyKey]bool    // stored copies that are accounted for
}

// check compares what was asked and said with what was stored and shown.
func check(f facts) verdict {
	c := &checker{
		facts: f, copies: map[copyKey][]*row{}, byUID: map[string]*row{}, shown: map[string][]*shown{}, due: map[copyKey]bool{},
	}
	for i := range f.Rows {
		r := &f.Rows[i]
		k := copyKey{r.Account, r.Chat, r.ID}
		c.copies[k] = append(c.copies[k], r)
		if r.Ours {
			if c.byUID[r.UID] != nil {
				c.problem("outbound doubled: %s is stored twice", r.UID)
			}
			c.byUID[r.UID] = r
		}
	}
	for i := range f.Shown {
		s := &f.Shown[i]
		c.shown[s.ID] = append(c.shown[s.ID], s)
	}
	c.outbound()
	c.order()
	c.inbound()
	c.answers()
	c.reactions()
	c.strays()
	for _, w := range f.Wire {
		c.Retried += w.Retries
		if w.Sends > 1 {
			c.Repeated++
		}
	}
	return c.verdict
}

// outbound accounts for every message that was accepted.
func (c *checker) outbound() {
	for i := range c.Asked {
		a := &c.Asked[i]
		c.Outbound++
		r := c.byUID[a.UID]
		if r == nil {
			c.problem("outbound lost: %s (%q) was accepted and is not stored", a.UID, a.Text)
			continue
		}
		c.due[copyKey{r.Account, r.Chat, r.ID}] = true
		if r.Account != a.Account || r.Chat != a.To || r.Text != a.Text || r.SHA256 != a.SHA256 {
			c.problem("outbound altered: %s is stored as %q from %s to %s", a.UID, r.Text, r.Account, r.Chat)
		}
		c.delivery(a, r)
	}
}

// recipients are the phones that must show a message.
func (c *checker) recipients(a *asked) []string {
	if !isGroup(a.To) {
		return []string{a.To}
	}
	return slices.DeleteFunc(slices.Clone(c.Members[a.To]), func(m string) bool { return m == a.Account })
}

// delivery compares how a message ended with what phones show.
func (c *checker) delivery(a *asked, r *row) {
	phones := c.recipients(a)
	times := map[string]int{}
	for _, s := range c.shown[r.ID] {
		switch {
		case s.From != a.Account || isGroup(a.To) && s.Phone == a.Account:
			continue // somebody else's id that happens to be the same, or the sender's own copy
		case !slices.Contains(phones, s.Phone):
			c.problem("outbound misdelivered: %s (%q) for %s is on %s", a.UID, a.Text, a.To, s.Phone)
			continue
		}
		times[s.Phone]++
		if s.NoFile != "" {
			c.NoFetch++
		}
		if s.Text != a.Text || s.SHA256 != a.SHA256 {
			c.problem("outbound altered: %s (%q) reads %q on the phone", a.UID, a.Text, s.Text)
		}
	}
	missing := 0
	for _, phone := range phones {
		switch n := times[phone]; {
		case n == 0:
			missing++
		case n > 1:
			c.problem("outbound doubled: %s (%q) is on the phone %d times", a.UID, a.Text, n)
		}
	}
	w := c.Wire[r.ID]
	switch r.Status {
	case "Sent", "Delivered", "Read":
		c.Sent++
		if missing > 0 {
			c.problem("outbound lost: %s (%q) is %s and not on %d of %d phones (%+v)", a.UID, a.Text, r.Status, missing, len(phones), w)
		} else if r.Status != "Read" {
			c.problem("receipt lost: %s (%q) was read and is %s", a.UID, a.Text, r.Status)
		}
	case "Failed":
		if w.Nacks == 0 {
			c.problem("outbound failed without being refused: %s (%q), %s", a.UID, a.Text, r.Reason)
		}
		switch {
		case len(times) == 0:
			c.Failed++
		case w.Sends > w.Nacks:
			c.Unknown++
		default:
			c.problem("outbound shown although refused: %s (%q) is on the phone", a.UID, a.Text)
		}
	default:
		c.problem("outbound not ended: %s (%q) is %s", a.UID, a.Text, r.Status)
	}
	if r.Status == "Failed" && len(times) == 0 {
		return
	}
	for _, phone := range phones {
		if c.Accounts[phone] { // another account of the same server
			chat := a.Account
			if isGroup(a.To) {
				chat = a.To
			}
			c.stored(phone, chat, &said{ID: r.ID, From: a.Account, To: a.To, Text: a.Text, SHA256: a.SHA256}, false)
		}
	}
}

// order holds promise 4: per account, no message is tried before the one that was
// accepted before it has ended; and so they are in order on each phone, but for
// those that the phone could not decrypt at first.
func (c *checker) order() {
	slices.SortFunc(c.Asked, func(a, b asked) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Seq, b.Seq))
	})
	type line struct{ account, phone string }
	tried := map[string]int64{} // account → place of the last first attempt
	last := map[line]int64{}
	for i := range c.Asked {
		a := &c.Asked[i]
		r := c.byUID[a.UID]
		if r == nil {
			continue
		}
		w := c.Wire[r.ID]
		if w.First != 0 {
			if w.First < tried[a.Account] {
				c.problem("order: %s (%q) was tried before a message that was accepted before it", a.UID, a.Text)
			}
			tried[a.Account] = w.First
		}
		for _, s := range c.shown[r.ID] {
			if s.From != a.Account || s.Phone == a.Account || w.Retries > 0 {
				continue
			}
			l := line{a.Account, s.Phone}
			if s.Seq < last[l] {
				c.problem("order: %s (%q) is on the phone before a message that was accepted before it", a.UID, a.Text)
			}
			last[l] = max(last[l], s.Seq)
		}
	}
}

// inbound accounts for what people said: one copy in each account concerned.
func (c *checker) inbound() {
	for i := range c.Said {
		s := &c.Said[i]
		if isGroup(s.To) {
			for _, m := range c.Members[s.To] {
				if c.Accounts[m] {
					c.stored(m, s.To, s, m == s.From)
				}
			}
			continue
		}
		if c.Accounts[s.To] {
			c.stored(s.To, s.From, s, false)
		}
		if c.Accounts[s.From] {
			c.stored(s.From, s.To, s, true)
		}
	}
}

// stored accounts for one copy.
func (c *checker) stored(account, chat string, s *said, fromMe bool) {
	c.Inbound++
	k := copyKey{account, chat, s.ID}
	c.due[k] = true
	rows := c.copies[k]
	switch {
	case len(rows) == 0:
		c.problem("inbound lost: %s (%q) from %s is not stored for %s", s.ID, s.Text, s.From, account)
		return
	case len(rows) > 1:
		c.problem("inbound doubled: %s (%q) from %s is stored %d times for %s", s.ID, s.Text, s.From, len(rows), account)
	}
	r, text, sum := rows[0], s.Text, s.SHA256
	if s.Deleted {
		text, sum = "", ""
	}
	if r.Deleted != s.Deleted {
		c.problem("inbound altered: %s from %s for %s: deleted %t, want %t", s.ID, s.From, account, r.Deleted, s.Deleted)
	}
	if r.Text != text || r.FromMe != fromMe || s.Kind != "" && r.Kind != s.Kind || r.ReplyTo != s.ReplyTo || !fromMe && r.Sender != s.From {
		c.problem("inbound altered: %s (%q, %s) from %s for %s is stored as %q, %s, from %s, answering %q",
			s.ID, s.Text, s.Kind, s.From, account, r.Text, r.Kind, r.Sender, r.ReplyTo)
	}
	if r.SHA256 != sum {
		c.problem("inbound file: %s from %s for %s has not the bytes that were sent (%s)", s.ID, s.From, account, r.NoFile)
	}
}

// answers accounts for phones that answer by themselves: one answer for each
// message that they show from an account.
func (c *checker) answers() {
	want := map[[2]string]int{} // account and phone
	for i := range c.Asked {
		a := &c.Asked[i]
		if r := c.byUID[a.UID]; r != nil && c.Answers[a.To] != "" && slices.ContainsFunc(c.shown[r.ID], func(s *shown) bool {
			return s.Phone == a.To && s.From == a.Account
		}) {
			want[[2]string{a.Account, a.To}]++
		}
	}
	got := map[[2]string]int{}
	for k, rows := range c.copies {
		answer := c.Answers[k.chat]
		if answer == "" || rows[0].FromMe || rows[0].Text != answer {
			continue
		}
		if len(rows) > 1 {
			c.problem("inbound doubled: answer %s of %s is stored %d times for %s", k.id, k.chat, len(rows), k.account)
		}
		c.due[k] = true
		got[[2]string{k.account, k.chat}]++
	}
	for k, n := range want {
		c.Inbound += n
		if got[k] != n {
			c.problem("inbound lost: %s answered %d messages of %s, %d answers are stored", k[1], n, k[0], got[k])
		}
		delete(got, k)
	}
	for k, n := range got {
		c.problem("inbound unasked: %d answers of %s are stored for %s, which it had no message from", n, k[1], k[0])
	}
}

// reactions accounts for the emojis that people gave.
func (c *checker) reactions() {
	for _, r := range c.Reactions {
		owners, chat := []string{r.To}, r.By
		if isGroup(r.To) {
			owners, chat = c.Members[r.To], r.To
		}
		for _, account := range owners {
			if !c.Accounts[account] {
				continue
			}
			c.Reacted++
			rows := c.copies[copyKey{account, chat, r.Target}]
			if len(rows) == 0 {
				continue // said above
			}
			if got := rows[0].Reactions[r.By]; got != r.Emoji {
				c.problem("reaction: %s of %s to %s is stored as %q for %s", r.Emoji, r.By, r.Target, got, account)
			}
		}
	}
}

// strays reports what is stored or shown and that nobody asked for or said.
func (c *checker) strays() {
	chats := map[[2]string]string{} // account and id → chat
	for k, rows := range c.copies {
		if !c.due[k] {
			c.problem("unasked: %s (%q) is stored for %s", k.id, rows[0].Text, k.account)
		}
		if other, seen := chats[[2]string{k.account, k.id}]; seen {
			c.problem("two chats: %s is in %s and %s of %s", k.id, other, k.chat, k.account)
		}
		chats[[2]string{k.account, k.id}] = k.chat
	}
	typed := map[string]bool{}
	for i := range c.Said {
		typed[c.Said[i].ID] = true
	}
	for id, list := range c.shown {
		for _, s := range list {
			if c.Accounts[s.From] && !typed[id] && chats[[2]string{s.From, id}] == "" {
				c.problem("unasked: %s (%q) of %s is on %s", id, s.Text, s.From, s.Phone)
			}
		}
	}
}
