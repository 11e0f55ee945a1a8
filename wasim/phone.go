package wasim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"

	"github.com/tidelinehq/tideline/wasim/internal/durable"
	"github.com/tidelinehq/tideline/wasim/internal/stanza"
	"github.com/tidelinehq/tideline/wasim/internal/syncd"
)

// Phone is an emulated phone: the primary device of a number. All methods are safe for concurrent
// use.
type Phone struct {
	srv    *Server
	digits string // number without "+"
	lid    string // user part of the hidden id

	companions map[int]*companion // guarded by Server.mu, as is lastDevice
	lastDevice int

	watchMu  sync.Mutex
	watchers map[watcher]struct{}

	// Copies for those who hold another phone's lock.
	view    atomic.Pointer[PhoneOptions]
	blocked atomic.Pointer[[]string] // digits, in order; changed under mu
	// Until when the account may not write to strangers; nil or past when it may. Changed under mu.
	reachOut atomic.Pointer[time.Time]

	actMu      sync.Mutex // a leaf lock
	activities []Activity
	online     bool
	lastSeen   time.Time
	followers  map[*conn]types.JID // of the presence, and under which address

	mu sync.Mutex
	// The keys change when the owner moves to a new phone.
	keys         *keys.KeyPair
	registration uint32
	signed       *keys.PreKey

	opts     PhoneOptions // set by setOptions
	signal   signalState
	recent   recentSet
	sent     []sentMessage
	sentSeq  uint64
	receipts []Receipt
	appState map[string][][]byte // collection → patches, the first with version 1
	syncKey  syncd.Key           // of the app state; no data until the first companion
	book     *syncd.Book         // what appState adds up to; nil until it is looked at
	past     []pastRecord        // scripted history
	picture  *picture            // nil when there is none
	// keySent tells, by group, which companions can read what the phone writes there. After a restart
	// they are told again.
	keySent map[string]map[string]bool

	changeMu sync.Mutex
	change   chan struct{} // closed at the next change of the log
	version  int64
}

// phoneRecord is what is kept of a phone, its private keys included.
type phoneRecord struct {
	Options      PhoneOptions `json:"options"`
	Identity     []byte       `json:"identity"`
	Registration uint32       `json:"registration"`
	SignedID     uint32       `json:"signed_id"`
	SignedKey    []byte       `json:"signed_key"`
	SignedSig    []byte       `json:"signed_signature"`
	LastDevice   int          `json:"last_device"`
	SyncKey      syncd.Key    `json:"sync_key"`
	Picture      *picture     `json:"picture,omitempty"`
	Blocked      []string     `json:"blocked,omitempty"`
	ReachOut     *time.Time   `json:"reach_out_limit,omitempty"`
}

// AddPhone adds a phone to the network, or changes the options of the one that has this number
// already; its keys, companions and messages stay.
func (s *Server) AddPhone(ctx context.Context, opts PhoneOptions) (*Phone, error) {
	digits, err := parseNumber(opts.Number)
	if err != nil {
		return nil, fmt.Errorf("wasim: %w", err)
	}
	opts.Number = "+" + digits
	if len(opts.Name) > maxName || len(opts.AutoReply) > maxText {
		return nil, fmt.Errorf("wasim: a name has at most %d bytes and an automatic reply %d", maxName, maxText)
	}
	switch opts.History {
	case HistoryNone, HistoryInline, HistoryExternal:
	default:
		return nil, fmt.Errorf("wasim: unknown way %q to pass history on; use %q, %q or none", opts.History, HistoryInline, HistoryExternal)
	}
	if opts.Name == "" {
		opts.Name = opts.Number
	}
	p, ok := s.Phone(digits)
	if !ok {
		p = newPhone(s, digits)
		p.drawKeys()
		if p, err = s.register(p); err != nil {
			return nil, err
		}
	}
	var e effects
	err = p.update(ctx, &e, func() error {
		p.setOptions(opts)
		if p.syncKey.Data != nil {
			if err := p.syncNameLocked(&e, nil); err != nil {
				return err
			}
		}
		return p.save(&e.batch)
	})
	if err != nil {
		return nil, fmt.Errorf("wasim: keep phone: %w", err)
	}
	return p, nil
}

const (
	maxName = 256
	maxText = 65536 // as WhatsApp has it
)

func newPhone(s *Server, digits string) *Phone {
	p := &Phone{
		srv: s, digits: digits, lid: hiddenID(digits),
		companions: map[int]*companion{},
		signal: signalState{
			sessions: map[string][]byte{}, senderKeys: map[string][]byte{}, oneTime: map[uint32][32]byte{},
		},
		change: make(chan struct{}),
	}
	p.setOptions(PhoneOptions{Number: "+" + digits})
	p.blocked.Store(new([]string))
	return p
}

// drawKeys makes the phone's keys. Its lock must be held, unless nobody knows the phone yet.
func (p *Phone) drawKeys() {
	p.keys = keys.NewKeyPair()
	p.signed = p.keys.CreateSignedPreKey(1)
	p.registration = rand.Uint32N(16380) + 1
}

// identity returns the phone's identity keys.
func (p *Phone) identity() *keys.KeyPair {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys
}

// setOptions sets the options. The phone's lock must be held, unless nobody knows the phone yet.
func (p *Phone) setOptions(o PhoneOptions) {
	p.opts = o
	p.view.Store(&o)
}

// register puts a new phone into the maps, unless another caller was faster.
func (s *Server) register(p *Phone) (*Phone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.phones[p.digits]; ok {
		return have, nil
	}
	if other, ok := s.lids[p.lid]; ok {
		return nil, fmt.Errorf("wasim: numbers +%s and +%s would have the same hidden id; use another", p.digits, other.digits)
	}
	s.phones[p.digits], s.lids[p.lid] = p, p
	return p, nil
}

// update changes the phone under its lock: change computes the effects, which are submitted under the
// lock too, and settled after it is released. Nothing is submitted when change fails.
func (p *Phone) update(ctx context.Context, e *effects, change func() error) error {
	submit := func() (*durable.Ticket, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err := change(); err != nil {
			return nil, err
		}
		return p.srv.submit(e), nil
	}
	t, err := submit()
	if err != nil {
		return err
	}
	defer p.srv.changes.ring()
	return p.srv.settle(ctx, e, t)
}

// save notes the phone's record in b. Its lock must be held.
func (p *Phone) save(b *durable.Batch) error {
	p.srv.mu.RLock()
	last := p.lastDevice
	p.srv.mu.RUnlock()
	raw, err := json.Marshal(phoneRecord{
		Options: p.opts, Identity: p.keys.Priv[:], Registration: p.registration,
		SignedID: p.signed.KeyID, SignedKey: p.signed.Priv[:], SignedSig: p.signed.Signature[:],
		LastDevice: last, SyncKey: p.syncKey,
		Picture: p.picture, Blocked: *p.blocked.Load(), ReachOut: p.reachOut.Load(),
	})
	if err != nil {
		return fmt.Errorf("marshal phone: %w", err)
	}
	b.Put(bucketPhone, p.digits, raw)
	return nil
}

// Phone returns the phone with a number, given with or without "+".
func (s *Server) Phone(number string) (*Phone, bool) {
	digits, err := parseNumber(number)
	if err != nil {
		return nil, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.phones[digits]
	return p, ok
}

// Phones returns all phones, ordered by number.
func (s *Server) Phones() []*Phone {
	s.mu.RLock()
	list := slices.Collect(maps.Values(s.phones))
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Phone) int {
		if n := len(a.digits) - len(b.digits); n != 0 {
			return n
		}
		if a.digits < b.digits {
			return -1
		}
		return 1
	})
	return list
}

// user finds the registered phone behind a user's address, by number or hidden id.
func (s *Server) user(jid types.JID) *Phone {
	s.mu.RLock()
	var p *Phone
	switch jid.Server {
	case types.DefaultUserServer, types.LegacyUserServer:
		p = s.phones[jid.User]
	case types.HiddenUserServer:
		p = s.lids[jid.User]
	}
	s.mu.RUnlock()
	if p == nil || p.unregistered() {
		return nil
	}
	return p
}

// companion finds a linked device, confirmed or not.
func (s *Server) companion(digits string, device int) *companion {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p := s.phones[digits]; p != nil {
		return p.companions[device]
	}
	return nil
}

// companions returns a phone's confirmed companions, by device number.
func (s *Server) companions(p *Phone) []*companion {
	s.mu.RLock()
	list := make([]*companion, 0, len(p.companions))
	for _, d := range p.companions {
		list = append(list, d)
	}
	s.mu.RUnlock()
	list = slices.DeleteFunc(list, func(d *companion) bool { return !d.snapshot().Confirmed })
	slices.SortFunc(list, func(a, b *companion) int { return a.rec.Device - b.rec.Device })
	return list
}

// Number returns the phone's number with "+".
func (p *Phone) Number() string { return "+" + p.digits }

// JID returns the phone's address by number.
func (p *Phone) JID() types.JID { return types.NewJID(p.digits, types.DefaultUserServer) }

// LID returns the phone's hidden id, which is derived from its number.
func (p *Phone) LID() types.JID { return types.NewJID(p.lid, types.HiddenUserServer) }

// Options returns the phone's current options.
func (p *Phone) Options() PhoneOptions { return *p.view.Load() }

func (p *Phone) unregistered() bool { return p.view.Load().Unregistered }

func (p *Phone) hidesNumber() bool { return p.view.Load().HideNumber }

// Companions lists the clients linked to the phone, by device number.
func (p *Phone) Companions() []Companion {
	var out []Companion
	for _, d := range p.srv.companions(p) {
		rec := d.snapshot()
		out = append(out, Companion{
			JID: d.jid(), LID: d.lid(), Device: rec.Device, Platform: rec.Platform,
			LinkedAt: rec.LinkedAt, Connected: d.live() != nil,
		})
	}
	return out
}

// Receipts returns what companions said about the phone's messages, oldest first: the last thousand
// since the server started.
func (p *Phone) Receipts() []Receipt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.receipts)
}

const maxReceipts = 1000

func (p *Phone) noteReceipt(r Receipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.receipts) >= maxReceipts {
		p.receipts = slices.Delete(p.receipts, 0, maxReceipts/10)
	}
	p.receipts = append(p.receipts, r)
	p.srv.changes.ring()
}

// maxOneTime bounds the keys that were handed out and never used.
const maxOneTime = 1000

// bundleNodes returns what another device needs to start a session with the phone.
func (p *Phone) bundleNodes(b *durable.Batch) []stanza.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.freshKeysLocked(b)
}

// freshKeysLocked returns the registration id followed by the phone's keys, with a new one-time
// key among them.
func (p *Phone) freshKeysLocked(b *durable.Batch) []stanza.Node {
	nodes := []stanza.Node{
		{Tag: "registration", Content: stanza.Uint32(p.registration)},
		{Tag: "type", Content: []byte{djbType}},
		{Tag: "identity", Content: p.keys.Pub[:]},
		keyNode(publicKey{ID: p.signed.KeyID, Key: p.signed.Pub[:], Signature: p.signed.Signature[:]}),
	}
	if len(p.signal.oneTime) < maxOneTime {
		pair := keys.NewKeyPair()
		id := rand.Uint32N(1<<24-2) + 1
		if _, taken := p.signal.oneTime[id]; !taken {
			p.signal.oneTime[id] = *pair.Priv
			b.Put(bucketPhoneKey, oneTimeKey(p.digits, id), pair.Priv[:])
			nodes = append(nodes, keyNode(publicKey{ID: id, Key: pair.Pub[:]}))
		}
	}
	return nodes
}
