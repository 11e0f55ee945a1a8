package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/tidelinehq/tideline/client"
	"github.com/tidelinehq/tideline/wasim"
)

// traffic lets programs send over the API and people write on their phones, and
// keeps the book of it.
type traffic struct {
	net  *network
	host *host
	rate float64 // messages a second that programs ask for; people write two thirds of that

	ending chan struct{} // closed when nothing new is to be begun
	done   sync.WaitGroup

	mu        sync.Mutex
	asked     []asked
	said      map[string]*said // by id and, for what the same person wrote to a group, once
	reactions map[[3]string]reaction
	fresh     map[string][]shown // by phone: messages of accounts that nobody has answered yet
	recent    map[string]int     // by account: messages accepted by the server that is up
	life      int                // which server that is
	lost      int                // answers of the API that didn't come
	refused   int                // requests that a running server could not carry out at the moment
	err       error              // of a request that must not fail
}

func newTraffic(n *network, h *host, rate float64) *traffic {
	return &traffic{
		net: n, host: h, rate: rate, ending: make(chan struct{}),
		said: map[string]*said{}, reactions: map[[3]string]reaction{}, fresh: map[string][]shown{},
	}
}

// begin starts a program for each account and a person for each phone.
func (t *traffic) begin(ctx context.Context, seed uint64) {
	each := time.Duration(float64(len(t.net.accounts)) / t.rate * float64(time.Second))
	for i, account := range t.net.accounts {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		t.done.Go(func() { t.program(ctx, rnd, i, account, each) })
	}
	people := append(append([]string{}, t.net.customers...), t.net.accounts...)
	// A customer writes as often as eight owners of accounts.
	for i, number := range people {
		rnd := rand.New(rand.NewPCG(seed+1, uint64(i)))
		pause := time.Duration(float64(len(t.net.customers)) / t.rate * 1.8 * float64(time.Second))
		if i >= len(t.net.customers) {
			pause = 12 * each
		}
		t.done.Go(func() { t.person(ctx, rnd, number, pause) })
	}
}

// end waits until everything that was begun is done.
func (t *traffic) end(ctx context.Context) error {
	close(t.ending)
	done := make(chan struct{})
	go func() { t.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return errors.New("programs don't get their answers")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// pause lets a random time pass, on average mean; false when it is time to end.
func (t *traffic) pause(ctx context.Context, rnd *rand.Rand, mean time.Duration) bool {
	select {
	case <-time.After(time.Duration(rnd.Float64() * 2 * float64(mean))):
		return true
	case <-t.ending:
	case <-ctx.Done():
	}
	return false
}

func (t *traffic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = errors.Join(t.err, err)
}

// contacts of an account are few, so that both sides write at the same time.
func (t *traffic) contact(rnd *rand.Rand, account int) string {
	if rnd.IntN(10) == 0 {
		return t.net.accounts[(account+1+rnd.IntN(len(t.net.accounts)-1))%len(t.net.accounts)]
	}
	return t.net.customers[(account+rnd.IntN(3))%len(t.net.customers)]
}

// program sends through one account, one message after the other.
func (t *traffic) program(ctx context.Context, rnd *rand.Rand, index int, account string, pause time.Duration) {
	for n := 0; t.pause(ctx, rnd, pause); n++ {
		a := asked{Account: account, To: t.contact(rnd, index), Text: fmt.Sprintf("Message %d of %s: %s", n, account, words(rnd)), Seq: n}
		var file []byte
		if groups := t.net.in[account]; len(groups) > 0 && rnd.IntN(20) == 0 {
			a.To = groups[rnd.IntN(len(groups))]
		} else if rnd.IntN(20) == 0 {
			file = document(rnd)
			a.SHA256 = hash(file)
		}
		if err := t.ask(ctx, &a, file); err != nil {
			t.fail(fmt.Errorf("%s: %w", a.Text, err))
			return
		}
		_, life := t.host.now()
		t.mu.Lock()
		t.asked = append(t.asked, a)
		if t.life != life {
			t.life, t.recent = life, make(map[string]int)
		}
		t.recent[account]++
		t.mu.Unlock()
	}
}

// kept is how many messages the library of a server has in memory, about.
func (t *traffic) kept(life int) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.life != life {
		return 0
	}
	for _, accepted := range t.recent {
		n += min(accepted, keptByLibrary)
	}
	return n
}

// ask repeats a request, under one key, until a server answers it.
func (t *traffic) ask(ctx context.Context, a *asked, file []byte) error {
	uploaded := ""
	idempotency := fmt.Sprintf("%s-%d", a.Account[1:], a.Seq)
	for {
		p, err := t.host.wait(ctx)
		if err != nil {
			return err
		}
		err = func() error {
			if file != nil && uploaded == "" {
				f, err := p.api.Upload(ctx, fmt.Sprintf("order-%d.pdf", a.Seq), "", bytes.NewReader(file))
				if err != nil {
					return err
				}
				uploaded = f.UID
			}
			if isGroup(a.To) {
				a.UID, err = p.sendTo(ctx, a.To, a.Account, a.Text, idempotency)
				return err
			}
			sent, err := p.api.Send(ctx, client.Message{
				Phone: a.To, AccountPhone: a.Account, Text: a.Text, FileUID: uploaded, IdempotencyKey: idempotency,
			})
			a.UID = sent.MessageUID
			return err
		}()
		if err == nil {
			return nil
		}
		refusal, answered := errors.AsType[*client.Error](err)
		if answered && refusal.Status < 500 {
			return err
		}
		t.mu.Lock()
		if answered {
			t.refused++
		} else {
			t.lost++
		}
		t.mu.Unlock()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// saw remembers messages that people may answer.
func (t *traffic) saw(s shown) {
	if strings.HasPrefix(s.From, accountPrefix) && strings.HasPrefix(s.Phone, customerPrefix) && strings.HasPrefix(s.Text, "Message ") {
		t.mu.Lock()
		defer t.mu.Unlock()
		list := append(t.fresh[s.Phone], s)
		t.fresh[s.Phone] = list[max(0, len(list)-8):]
	}
}

const (
	accountPrefix  = "+1484"
	customerPrefix = "+1610"
)

// person writes on a phone.
func (t *traffic) person(ctx context.Context, rnd *rand.Rand, number string, pause time.Duration) {
	var mine []*said // texts in direct chats that may still be changed
	for n := 0; t.pause(ctx, rnd, pause); n++ {
		s := &said{From: number, Kind: "text", Text: fmt.Sprintf("Word %d of %s: %s", n, number, words(rnd))}
		var err error
		switch dice := rnd.IntN(100); {
		case dice < 30 && t.reply(ctx, s, dice < 12, rnd):
			continue
		case dice < 40 && len(t.net.in[number]) > 0:
			groups := t.net.in[number]
			s.To = groups[rnd.IntN(len(groups))]
			err = t.say(s, func(p *wasim.Phone) (string, error) { return p.Send(ctx, s.To, s.Text) })
		case dice < 50 && len(mine) > 0:
			i := rnd.IntN(len(mine))
			err = t.change(ctx, mine[i], rnd.IntN(3) == 0)
			mine = append(mine[:i], mine[i+1:]...)
		case dice < 58:
			s.To = t.other(rnd, number)
			err = t.sendFile(ctx, s, rnd)
		default:
			s.To = t.other(rnd, number)
			err = t.say(s, func(p *wasim.Phone) (string, error) { return p.Send(ctx, s.To, s.Text) })
			if mine = append(mine, s); len(mine) > 10 {
				mine = mine[1:]
			}
		}
		if err != nil && ctx.Err() == nil {
			t.fail(fmt.Errorf("%s: %w", s.Text, err))
			return
		}
	}
}

// other is whom a person writes to: customers to accounts, and owners of
// accounts to customers and to each other.
func (t *traffic) other(rnd *rand.Rand, number string) string {
	if strings.HasPrefix(number, customerPrefix) {
		return t.net.accounts[rnd.IntN(len(t.net.accounts))]
	}
	return t.net.customers[rnd.IntN(len(t.net.customers))]
}

// say carries out what a person says and enters it in the book.
func (t *traffic) say(s *said, send func(p *wasim.Phone) (string, error)) error {
	id, err := send(t.net.phone(s.From))
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.ID = id
	t.said[id] = s
	return nil
}

func (t *traffic) sendFile(ctx context.Context, s *said, rnd *rand.Rand) error {
	f := wasim.File{Kind: "document", MIME: "application/pdf", Name: "scan.pdf", Caption: s.Text, Data: document(rnd)}
	if rnd.IntN(2) == 0 {
		f = wasim.File{Kind: "voice", MIME: "audio/ogg; codecs=opus", Data: append([]byte("OggS"), document(rnd)...)}
		s.Text = ""
	}
	s.Kind, s.SHA256 = f.Kind, hash(f.Data)
	return t.say(s, func(p *wasim.Phone) (string, error) { return p.SendFile(ctx, s.To, f) })
}

// reply answers one of the last messages that the phone shows, with an emoji or a
// text; false when there is none.
func (t *traffic) reply(ctx context.Context, s *said, emoji bool, rnd *rand.Rand) bool {
	t.mu.Lock()
	list := t.fresh[s.From]
	var to shown
	if len(list) > 0 {
		i := rnd.IntN(len(list))
		to = list[i]
		if !emoji {
			t.fresh[s.From] = append(list[:i:i], list[i+1:]...)
		}
	}
	t.mu.Unlock()
	if to.ID == "" || to.Group {
		return false
	}
	s.To = to.From
	var err error
	if !emoji {
		s.ReplyTo = to.ID
		err = t.say(s, func(p *wasim.Phone) (string, error) {
			return p.SendMessage(ctx, s.To, answer(s.Text, to.ID, jidOf(to.From)))
		})
	} else {
		r := reaction{Target: to.ID, By: s.From, To: to.From, Emoji: []string{"👍", "❤️", "😮", ""}[rnd.IntN(4)]}
		if _, err = t.net.phone(s.From).SendMessage(ctx, s.To, react(to.ID, jidOf(to.From), r.Emoji)); err == nil {
			t.mu.Lock()
			t.reactions[[3]string{r.Target, r.By, r.To}] = r
			t.mu.Unlock()
		}
	}
	if err != nil && ctx.Err() == nil {
		t.fail(err)
	}
	return true
}

// change edits a message, or takes it back.
func (t *traffic) change(ctx context.Context, s *said, back bool) error {
	text := s.Text + " (changed)"
	msg := edit(s.ID, jidOf(s.To), text)
	if back {
		msg = takeBack(s.ID, jidOf(s.To))
	}
	if _, err := t.net.phone(s.From).SendMessage(ctx, s.To, msg); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Deleted = back; !back {
		s.Text = text
	}
	return nil
}

// book gives what was asked and said so far.
func (t *traffic) book() (f facts) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.Asked = append(f.Asked, t.asked...)
	for _, s := range t.said {
		f.Said = append(f.Said, *s)
	}
	for _, r := range t.reactions {
		f.Reactions = append(f.Reactions, r)
	}
	f.Members, f.Answers, f.Accounts = t.net.members, t.net.answers, map[string]bool{}
	for _, a := range t.net.accounts {
		f.Accounts[a] = true
	}
	return f
}

// words make every text another one, of a length that varies.
func words(rnd *rand.Rand) string {
	list := []string{"tide", "harbour", "ebb", "flood", "mole", "quay", "ünïcödé", "🌊", "buoy", "pilot"}
	text := make([]string, 3+rnd.IntN(30))
	for i := range text {
		text[i] = list[rnd.IntN(len(list))]
	}
	return strings.Join(text, " ")
}

// document makes a file that looks like a PDF, and no two alike.
func document(rnd *rand.Rand) []byte {
	data := []byte("%PDF-1.7\n")
	for range 100 + rnd.IntN(1500) {
		data = fmt.Appendf(data, "%016x", rnd.Uint64())
	}
	return data
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
